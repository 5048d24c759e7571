"""What the workers run: `celery --app worker worker --beat`, or `make worker`."""

from app import create_app
from app.core import broker

flask_app = create_app()
app = broker.worker(flask_app)
