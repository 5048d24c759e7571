from kombu import Connection as KombuConnection
from kombu import Producer as KombuProducer

class AMQP:
    Connection: type[KombuConnection]
    Producer: type[KombuProducer]
