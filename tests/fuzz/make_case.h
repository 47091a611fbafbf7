/* Makes up cases for scan_check.h: packets that are mostly well-formed, parts of recordings, and
 * mutations of both. What it makes depends on `state` and the corpus alone. */
#ifndef MAKE_CASE_H
#define MAKE_CASE_H

#include "scan_check.h"

#include "_scan_tables.h"

enum {
    LARGEST = 1 << 17, /* of the streams made up, in bytes */
    SCRATCH = LARGEST + TAIL
};

/* ---- Chance ------------------------------------------------------------------------------ */

static uint64_t state;

static uint32_t any32(void)
{
    uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)(z >> 32);
}

/* A number below `bound`, which is not 0. */
static uint32_t below(uint32_t bound)
{
    return any32() % bound;
}

static int once_in(uint32_t bound)
{
    return below(bound) == 0;
}

/* A number below a bound that is mostly small. */
static uint32_t mostly_small(uint32_t common, uint32_t rare)
{
    return below(once_in(64) ? rare : common);
}

/* ---- The corpus -------------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    uint32_t size;
    uint32_t *frames; /* where each packet begins, and `size` behind the last one */
    uint32_t packets;
} recording;

static recording *corpus;
static uint32_t recordings;

/* Where the packet at `at` ends; at the latest where the recording does. */
static uint32_t frame_end(const recording *r, uint32_t at)
{
    uint32_t length = 0, shift = 0, byte;
    do {
        if (++at == r->size || shift == 28)
            return r->size;
        byte = r->data[at];
        length |= (byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80);
    return length < r->size - at - 1 ? at + 1 + length : r->size;
}

static recording load(const char *path)
{
    FILE *file = fopen(path, "rb");
    recording r = {NULL, 0, NULL, 0};
    long size = -1;
    uint32_t at;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size < 0 || size > (long)MOST_BYTES) {
        perror(path);
        exit(2);
    }
    r.data = allocate(NULL, (size_t)size + 1);
    rewind(file);
    r.size = (uint32_t)fread(r.data, 1, (size_t)size, file);
    fclose(file);
    r.frames = allocate(NULL, (r.size / 2 + 2) * sizeof *r.frames);
    for (at = 0; at < r.size; at = frame_end(&r, at))
        r.frames[r.packets++] = at;
    r.frames[r.packets] = r.size;
    return r;
}

static void load_corpus(char **paths, int count)
{
    corpus = allocate(NULL, (size_t)count * sizeof *corpus + 1);
    for (recordings = 0; recordings < (uint32_t)count; recordings++)
        corpus[recordings] = load(paths[recordings]);
}

/* ---- Packets ----------------------------------------------------------------------------- */

/* A stream that is being made up, and where in it the length fields are. What does not fit is left
 * out: a packet cut short is an input like any other. */
typedef struct {
    uint8_t *bytes;
    uint32_t size;
    uint32_t lengths[64];
    uint32_t known; /* how many of them */
} stream;

static uint8_t body_bytes[LARGEST], block_bytes[LARGEST];

static void put(stream *s, uint32_t byte)
{
    if (s->size < LARGEST)
        s->bytes[s->size++] = (uint8_t)byte;
}

static void put_number(stream *s, uint32_t value, uint32_t width)
{
    while (width--)
        put(s, value >> 8 * width);
}

static void put_bytes(stream *s, const uint8_t *data, uint32_t size)
{
    uint32_t room = LARGEST - s->size;
    if (size > room)
        size = room;
    memcpy(s->bytes + s->size, data, size);
    s->size += size;
}

static void put_noise(stream *s, uint32_t size)
{
    while (size--)
        put(s, any32());
}

/* Noise, until there are about as many bytes as `border` says. */
static void fill_up(stream *s, uint32_t border)
{
    uint32_t size = border - 4 + below(8);
    if (s->size < size)
        put_noise(s, size - s->size);
}

static void mark_length(stream *s, uint32_t at)
{
    if (s->known < 64)
        s->lengths[s->known++] = at;
}

/* Append a part with its own length fields. */
static void put_stream(stream *s, const stream *part)
{
    uint32_t i;
    for (i = 0; i < part->known; i++)
        mark_length(s, s->size + part->lengths[i]);
    put_bytes(s, part->bytes, part->size);
}

/* Seldom, take some bytes off the end of what is about to get a length: then its last field ends
 * behind it. */
static void shorten(stream *s)
{
    uint32_t count = once_in(20) ? 1 + below(6) : 0;
    s->size -= count < s->size ? count : s->size;
}

static void put_variable(stream *s, uint32_t value)
{
    uint32_t padding = once_in(100) ? below(4) : 0;
    while (value >= 0x80) {
        put(s, value | 0x80);
        value >>= 7;
    }
    put(s, padding ? value | 0x80 : value);
    for (; padding > 1; padding--)
        put(s, 0x80);
    if (padding)
        put(s, 0);
}

/* One character: mostly a plain one, else one at a border of what is well-formed. */
static void put_character(stream *s)
{
    static const char *const borders[] = {
        /* well-formed: U+0080, 07FF, 0800, D7FF, E000, FEFF, FFFF, 10000, 3FFFF, 10FFFF */
        "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBB\xBF",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF0\xBF\xBF\xBF", "\xF4\x8F\xBF\xBF",
        /* ill-formed: too long, surrogates, too large, stray, cut short */
        "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\x80",
        "\xBF", "\xC2", "\xE1\x80", "\xF1\x80\x80", "\xC2+", "\xE1\x80#", "\xC2\xC2\x80",
        "\xE1\x80\xC0", "\xF1\x80\x80\x7F"};
    if (once_in(16)) {
        const char *border = borders[once_in(40) ? below(sizeof borders / sizeof *borders) :
                                                   below(10)];
        put_bytes(s, (const uint8_t *)border, (uint32_t)strlen(border));
    } else if (once_in(500)) {
        put(s, (uint32_t)"\0+#\x7F"[below(4)]);
    } else {
        put(s, 'a' + below(26));
    }
}

static void put_string(stream *s)
{
    uint32_t length = once_in(50) ? 0 : 1 + mostly_small(20, once_in(50) ? 65535 : 300);
    uint32_t start = s->size + 2;
    mark_length(s, s->size);
    put_number(s, 0, 2);
    while (s->size < start + length && s->size < LARGEST)
        put_character(s);
    if (s->size >= start) { /* else it did not fit */
        length = s->size - start;
        if (length > 65535)
            length = 65535;
        s->bytes[start - 2] = (uint8_t)(length >> 8);
        s->bytes[start - 1] = (uint8_t)length;
    }
}

/* A number for a property: mostly one that it may have, often the first, seldom just outside. */
static uint32_t number_for(const property_row *row)
{
    uint64_t choices = (uint64_t)row->high - row->low + 1;
    if (once_in(50))
        return once_in(2) ? row->low - 1 : row->high + 1;
    return once_in(4) ? row->low : row->low + (uint32_t)(any32() % choices);
}

static void put_property(stream *s, uint32_t id)
{
    const property_row *row = &PROPERTY[id];
    uint32_t value = number_for(row), size;
    put(s, id);
    switch (row->wire) {
    case W_BYTE:
        put(s, value);
        break;
    case W_U16:
        put_number(s, value, 2);
        break;
    case W_U32:
        put_number(s, value, 4);
        break;
    case W_VARINT:
        put_variable(s, value & 0xFFFFFFF);
        break;
    case W_BINARY:
        size = mostly_small(20, 300);
        mark_length(s, s->size);
        put_number(s, size, 2);
        put_noise(s, size);
        break;
    case W_PAIR:
        put_string(s);
        put_string(s);
        break;
    default:
        put_string(s);
    }
}

/* A property block with its length. */
static void put_block(stream *s, uint32_t kind)
{
    stream block = {block_bytes, 0, {0}, 0};
    uint32_t count = once_in(3) ? 0 : mostly_small(5, 40);
    uint64_t legal = 0;
    uint32_t id;
    for (id = 0; id < PROPERTY_IDS; id++)
        if (PROPERTY[id].packets >> kind & 1)
            legal |= UINT64_C(1) << id;
    for (; count; count--) {
        do
            id = below(PROPERTY_IDS);
        while (!(legal >> id & 1) && !once_in(4000));
        put_property(&block, id);
        if (!(PROPERTY[id].repeatable >> kind & 1) && !once_in(20))
            legal &= ~(UINT64_C(1) << id);
    }
    shorten(&block);
    mark_length(s, s->size);
    put_variable(s, once_in(100) ? block.size + below(5) - 2 : block.size);
    put_stream(s, &block);
}

static void put_publish(stream *s, uint32_t version, uint32_t first)
{
    if (version == 5 && once_in(20)) {
        mark_length(s, s->size);
        put_number(s, 0, 2); /* no topic: only an alias makes it legal */
    } else {
        put_string(s);
    }
    if (first & 6)
        put_number(s, once_in(100) ? 0 : any32(), 2);
    if (version == 5)
        put_block(s, PUBLISH);
    switch (below(64)) { /* around what a Remaining Length of one or two bytes can say */
    case 0:
        fill_up(s, 128);
        break;
    case 1:
        fill_up(s, once_in(8) ? 16384 : 300);
        break;
    default:
        put_noise(s, once_in(2) ? 0 : below(30));
    }
}

static void put_acknowledgement(stream *s, uint32_t version, uint32_t kind)
{
    uint32_t form = version == 5 || once_in(50) ? below(4) : 0;
    put_number(s, once_in(100) ? 0 : any32(), 2);
    if (form) {
        uint32_t reason = any32() & 0xFF;
        while (!(REASON[0][kind - PUBACK][reason >> 3] >> (reason & 7) & 1) && !once_in(1000))
            reason = any32() & 0xFF;
        put(s, reason);
    }
    if (form > 1)
        put_block(s, kind);
    if (once_in(50))
        put_noise(s, 1 + below(3)); /* trailing bytes */
}

static void put_packet(stream *s, uint32_t version, uint32_t sender)
{
    stream body = {body_bytes, 0, {0}, 0};
    uint32_t first, kind, v = version ? version - 2 : 0;
    do
        first = (version ? once_in(2) ? PUBLISH : below(16) : CONNECT) << 4 | below(16);
    while (FIRST_BYTE[v][sender][first] && !once_in(2000));
    kind = first >> 4;
    if (kind == PUBLISH) {
        put_publish(&body, version, first);
    } else if (kind >= PUBACK && kind <= PUBCOMP) {
        put_acknowledgement(&body, version, kind);
    } else {
        int fixed = LEAST[v][kind] == MOST[v][kind];
        put_noise(&body, LEAST[v][kind] + (fixed && !once_in(50) ? 0 : below(20)));
    }
    shorten(&body);
    put(s, first);
    mark_length(s, s->size);
    put_variable(s, once_in(100) ? any32() >> (4 + below(25)) : body.size);
    put_stream(s, &body);
}

/* Append some packets of a recording. */
static void put_recorded(stream *s)
{
    const recording *r = &corpus[below(recordings)];
    uint32_t i = r->packets ? below(r->packets) : 0, end = i + 1 + below(6);
    for (; i < end && i < r->packets && s->size < LARGEST / 2; i++) {
        mark_length(s, s->size + 1);
        put_bytes(s, r->data + r->frames[i], r->frames[i + 1] - r->frames[i]);
    }
}

/* ---- Mutations --------------------------------------------------------------------------- */

static void insert(stream *s, uint32_t at, uint32_t count)
{
    if (count > LARGEST - s->size)
        count = LARGEST - s->size;
    memmove(s->bytes + at + count, s->bytes + at, s->size - at);
    s->size += count;
}

static void erase(stream *s, uint32_t at, uint32_t count)
{
    if (count > s->size - at)
        count = s->size - at;
    memmove(s->bytes + at, s->bytes + at + count, s->size - at - count);
    s->size -= count;
}

static void mutate(stream *s)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x10, 0x23, 0x26, 0x2B, 0x30, 0x32,
                                      0x3D, 0x40, 0x62, 0x7F, 0x80, 0xC2, 0xED, 0xFF};
    uint32_t at, count, i;
    if (!s->size)
        return;
    at = below(s->size);
    if (s->known && once_in(3)) { /* a length field, or a byte beside it */
        at = s->lengths[below(s->known)] + below(3);
        if (at >= s->size)
            at = s->size - 1;
    }
    count = 1 + mostly_small(8, 200);
    switch (below(9)) {
    case 0:
        s->bytes[at] ^= (uint8_t)(1 << below(8));
        break;
    case 1:
        s->bytes[at] = telling[below(sizeof telling)];
        break;
    case 2:
        s->bytes[at] = (uint8_t)(s->bytes[at] + below(9) - 4);
        break;
    case 3:
        s->bytes[at] = (uint8_t)any32();
        break;
    case 4:
        erase(s, at, count);
        break;
    case 5:
        insert(s, at, count);
        for (i = at; i < at + count && i < s->size; i++)
            s->bytes[i] = (uint8_t)any32();
        break;
    case 6: /* say something twice */
        insert(s, at, count);
        break;
    case 7:
        s->size = at;
        break;
    default: /* one end onto another beginning */
        erase(s, at, below(s->size));
        if (recordings)
            put_recorded(s);
    }
}

/* ---- Cases ------------------------------------------------------------------------------- */

static void put_tail(uint8_t *tail, const scan_case *k)
{
    const uint32_t words[3] = {k->cut, k->limit, k->beyond};
    uint32_t i;
    tail[0] = (uint8_t)(k->version ? k->version - 2 : 0);
    tail[1] = (uint8_t)k->sender;
    tail[2] = (uint8_t)k->capacity;
    tail[3] = (uint8_t)k->start;
    for (i = 0; i < 12; i++)
        tail[4 + i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
}

/* Write a case to `buffer`, of SCRATCH bytes, and return its size. */
static uint32_t make_case(uint8_t *buffer)
{
    static const uint32_t versions[8] = {5, 5, 5, 5, 4, 4, 3, 0};
    stream s = {buffer, 0, {0}, 0};
    scan_case k;
    uint32_t packets = 1 + mostly_small(6, 40), mutations = once_in(3) ? 0 : 1 + below(4);
    memset(&k, 0, sizeof k);
    k.version = versions[below(8)];
    k.sender = below(3);
    k.start = once_in(4) ? below(16) : 0;
    put_noise(&s, k.start);
    if (recordings && once_in(3))
        put_recorded(&s);
    else if (once_in(50))
        put_noise(&s, below(100));
    else
        while (packets--)
            put_packet(&s, k.version, k.sender);
    while (mutations--)
        mutate(&s);
    if (once_in(8))
        k.version = versions[below(8)];
    if (once_in(8))
        k.sender = below(3);
    k.capacity = once_in(2) ? below(4) : below(256);
    k.cut = any32();
    if (s.known && once_in(2))
        k.cut = s.lengths[below(s.known)] + below(4);
    k.limit = once_in(10) ? below(s.size + 2) : once_in(4) ? any32() : 268435460;
    k.beyond = once_in(2) ? below(300) : any32() >> below(32);
    put_tail(buffer + s.size, &k);
    return s.size + TAIL;
}

#endif
