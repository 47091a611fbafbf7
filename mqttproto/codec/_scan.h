/* The scanner: one chunk of a stream in, one table of frames out.
 *
 * The contract stands in mqttproto/codec/scanner.py; mqttproto/codec/pyscan.py is the reference,
 * and must return the same table for any bytes. */
#ifndef MQTTPROTO_SCAN_H
#define MQTTPROTO_SCAN_H

#include <stdint.h>

#define MQTT_COLUMNS 7
#define MQTT_MOST_OF_ONE 0xFFF

/* Scan data[start..size) and write at most `capacity` rows and a row of status, of MQTT_COLUMNS
 * cells each, to `table`. Returns the number of rows without that of status. `version` is 0, 3,
 * 4 or 5, `sender` 0, 1 or 2; size + beyond must fit into 31 bits. */
uint32_t mqtt_scan(const uint8_t *data, uint32_t start, uint32_t size, uint32_t beyond,
                   uint32_t version, uint32_t sender, uint32_t limit, uint32_t *table,
                   uint32_t capacity);

/* Scan data[0..size) where that is just one PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ or
 * PINGRESP of at most MQTT_MOST_OF_ONE bytes, whole and without a fault. Returns the cells of its row, from the lowest bits
 * on: 5, 4 and 2 in twelve bits each, 1 in eight, 3 in sixteen. Of all else it returns 0. */
uint64_t mqtt_scan_one(const uint8_t *data, uint32_t size, uint32_t version, uint32_t sender);

#endif
