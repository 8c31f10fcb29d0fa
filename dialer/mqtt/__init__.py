"""Events to, and commands from, an MQTT broker."""

from dialer.mqtt.bridge import BridgeConfig, MqttBridge
from dialer.mqtt.outbox import Outbox, OutboxItem, outcome_message

__all__ = ["BridgeConfig", "MqttBridge", "Outbox", "OutboxItem", "outcome_message"]
