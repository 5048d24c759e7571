# Celery's own modules.
