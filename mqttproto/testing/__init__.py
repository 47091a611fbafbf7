"""What helps to test programs that speak MQTT; nothing in the library itself imports it."""
