from kombu.transport import redis as redis
