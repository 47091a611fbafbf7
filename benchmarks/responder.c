/* What the clients of client.py speak with: so little of a server that no client waits for it.
 *
 *     responder                 listens on a free port of loopback, and prints it
 *     responder HOST PORT       joins a real server as a client, and prints "ready"
 *
 * As a server it knows 3.1.1 and 5.0, grants and acknowledges whatever it is asked, and throws
 * messages away. It answers with one write for each read. When a client has gone it prints what
 * came from it: the messages at QoS 0, 1 and 2, how many were in flight at most, how many at QoS 0
 * came behind the last at QoS 1; and the share of the time of that connection in which it had
 * something to do itself, in percent.
 *
 * Either way, a message to one of these topics lets it send on the same connection:
 *
 *     start/flood/QOS/COUNT/SIZE         messages to FLOOD, as fast as they are taken
 *     start/echo/COUNT/SIZE/WINDOW/RATE  messages to "request"; whoever gets one sends its payload
 *                                        to "answer". At most WINDOW are without an answer, RATE
 *                                        are sent in a second (0: all that the window allows).
 *                                        At the end a message to "result" says how many were
 *                                        answered in a second, and after how many nanoseconds:
 *                                        the median, the 99th percentile and the longest.
 *
 * It ends with its standard input. No packet may be longer than half of READ. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define FLOOD "sensors/42/temperature"

enum { READ = 1 << 18, ROOM = 4 * READ, PACKET = READ / 2, PEERS = 16, TOPIC = 256 };
enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK,
       UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP };

typedef struct {
    int fd; /* -1: not in use */
    int v5, joined;
    uint32_t window; /* its Receive Maximum */

    uint8_t *in, *out; /* READ and a little, ROOM bytes */
    size_t have;       /* bytes of in that are the beginning of a packet */
    size_t from, to;   /* what of out is not sent */

    uint64_t opened, busy; /* when, and what the process had used then */
    uint64_t came[3], late;
    uint32_t now, unreleased, most; /* in flight: in this read, at QoS 2, ever */

    uint8_t *packet; /* what the flood sends, PACKET bytes */
    size_t length, id_at;
    uint32_t qos, left, unacknowledged;
    uint16_t id;

    uint8_t *request; /* PACKET bytes */
    size_t request_length, index_at;
    uint32_t count, sent, answered, limit, rate;
    uint64_t *times; /* when each was sent, and then, how long its answer took */
    uint64_t begun;
} peer_t;

static peer_t peers[PEERS];

static void die(const char *what)
{
    fprintf(stderr, "responder: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void refuse(const char *what)
{
    fprintf(stderr, "responder: it does not understand this %s\n", what);
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        die("malloc");
    return memory;
}

static uint64_t nanoseconds_of(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint64_t nanoseconds(void)
{
    return nanoseconds_of(CLOCK_MONOTONIC);
}

static uint32_t read_u16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint8_t *write_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

/* How many bytes the variable byte integer takes, 0 if it is not all there. */
static size_t read_varint(const uint8_t *at, size_t left, uint32_t *value)
{
    size_t i;
    *value = 0;
    for (i = 0; i < left && i < 4; i++) {
        *value |= (uint32_t)(at[i] & 0x7F) << 7 * i;
        if (at[i] < 0x80)
            return i + 1;
    }
    if (i == 4)
        refuse("length");
    return 0;
}

static uint8_t *write_varint(uint8_t *at, uint32_t value)
{
    for (; value > 0x7F; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static size_t room(peer_t *peer)
{
    if (peer->from) {
        memmove(peer->out, peer->out + peer->from, peer->to - peer->from);
        peer->to -= peer->from;
        peer->from = 0;
    }
    return ROOM - peer->to;
}

static void put(peer_t *peer, const void *data, size_t length)
{
    if (ROOM - peer->to < length && room(peer) < length)
        refuse("silence"); /* cannot happen: what takes nothing is not read */
    memcpy(peer->out + peer->to, data, length);
    peer->to += length;
}

/* A packet that has an identifier and nothing else. */
static void put_answer(peer_t *peer, int type, uint32_t flags, uint32_t id)
{
    uint8_t packet[4] = {(uint8_t)((uint32_t)type << 4 | flags), 2};
    write_u16(packet + 2, id);
    put(peer, packet, 4);
}

/* Write a PUBLISH of a payload of `size` bytes; where its identifier and its payload begin. */
static size_t make_publish(peer_t *peer, uint8_t *packet, const char *topic, uint32_t qos,
                           uint32_t size, size_t *id_at, size_t *payload_at)
{
    size_t topic_length = strlen(topic);
    uint32_t behind = (uint32_t)topic_length + 2 + (qos ? 2 : 0) + (peer->v5 ? 1 : 0);
    uint8_t *at = packet;
    if (size > PACKET - TOPIC)
        refuse("size");
    *at++ = (uint8_t)(PUBLISH << 4 | qos << 1);
    at = write_varint(at, behind + size);
    at = write_u16(at, (uint32_t)topic_length);
    memcpy(at, topic, topic_length);
    at += topic_length;
    *id_at = (size_t)(at - packet);
    if (qos)
        at = write_u16(at, 0);
    if (peer->v5)
        *at++ = 0;
    *payload_at = (size_t)(at - packet);
    memset(at, 'x', size);
    return (size_t)(at - packet) + size;
}

static void start_flood(peer_t *peer, uint32_t qos, uint32_t count, uint32_t size)
{
    size_t payload_at;
    peer->qos = qos > 2 ? 2 : qos;
    peer->left = count;
    peer->length = make_publish(peer, peer->packet, FLOOD, peer->qos, size, &peer->id_at,
                                &payload_at);
}

static void start_echo(peer_t *peer, uint32_t count, uint32_t size, uint32_t limit, uint32_t rate)
{
    size_t id_at;
    free(peer->times);
    peer->times = allocate(count * sizeof *peer->times);
    peer->request_length = make_publish(peer, peer->request, "request", 0, size < 8 ? 8 : size,
                                        &id_at, &peer->index_at);
    peer->count = count;
    peer->sent = peer->answered = 0;
    peer->limit = limit;
    peer->rate = rate;
    peer->begun = nanoseconds();
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static void take_answer(peer_t *peer, const uint8_t *payload, size_t length, uint64_t now)
{
    uint64_t index = 0;
    size_t i, id_at, payload_at;
    uint8_t packet[PACKET];
    char text[128];
    for (i = 0; i < 8 && i < length; i++)
        index = index << 8 | payload[i];
    if (index != peer->answered || index >= peer->sent)
        refuse("answer");
    peer->times[index] = now - peer->times[index];
    if (++peer->answered < peer->count)
        return;
    qsort(peer->times, peer->count, sizeof *peer->times, compare);
    snprintf(text, sizeof text, "%.1f %llu %llu %llu",
             peer->count * 1e9 / (double)(now - peer->begun),
             (unsigned long long)peer->times[peer->count / 2],
             (unsigned long long)peer->times[(size_t)(peer->count * 0.99)],
             (unsigned long long)peer->times[peer->count - 1]);
    length = make_publish(peer, packet, "result", 0, (uint32_t)strlen(text), &id_at, &payload_at);
    memcpy(packet + payload_at, text, strlen(text));
    put(peer, packet, length);
    peer->count = 0;
}

/* When the next request is due; 0 if the window is full or all are sent. */
static uint64_t due(const peer_t *peer)
{
    if (peer->sent >= peer->count || peer->sent - peer->answered >= peer->limit)
        return 0;
    if (!peer->rate)
        return peer->begun;
    return peer->begun + (uint64_t)(peer->sent * 1e9 / peer->rate);
}

static int flooding(const peer_t *peer)
{
    return peer->left && (!peer->qos || peer->unacknowledged < peer->window);
}

/* Whatever may be sent by itself. */
static void feed(peer_t *peer)
{
    uint64_t at, now;
    while (flooding(peer) && peer->to - peer->from < READ) {
        if (peer->qos) {
            peer->id = (uint16_t)(peer->id == 0xFFFF ? 1 : peer->id + 1);
            write_u16(peer->packet + peer->id_at, peer->id);
            peer->unacknowledged++;
        }
        put(peer, peer->packet, peer->length);
        peer->left--;
    }
    while ((at = due(peer)) && at <= (now = nanoseconds()) && peer->to - peer->from < READ) {
        uint32_t i;
        for (i = 0; i < 8; i++)
            peer->request[peer->index_at + i] = (uint8_t)((uint64_t)peer->sent >> (56 - 8 * i));
        put(peer, peer->request, peer->request_length);
        peer->times[peer->sent++] = now;
    }
}

static uint32_t receive_maximum(const uint8_t *at, size_t length)
{
    const uint8_t *end = at + length;
    while (at < end)
        switch (*at++) {
        case 0x21:
            return read_u16(at);
        case 0x17:
        case 0x19:
            at += 1;
            break;
        case 0x22:
            at += 2;
            break;
        case 0x11:
        case 0x27:
            at += 4;
            break;
        case 0x26:
            at += 2 + read_u16(at); /* and as the next: */
            /* fall through */
        case 0x15:
        case 0x16:
            at += 2 + read_u16(at);
            break;
        default:
            refuse("property");
        }
    return 0xFFFF;
}

static void take_connect(peer_t *peer, const uint8_t *body)
{
    static const uint8_t connack[] = {CONNACK << 4, 3, 0, 0, 0};
    const uint8_t *at = body + 2 + read_u16(body);
    uint32_t length;
    peer->v5 = at[0] == 5;
    if (peer->v5) {
        size_t taken = read_varint(at + 4, 4, &length);
        peer->window = receive_maximum(at + 4 + taken, length);
    }
    put(peer, connack, 5);
    if (!peer->v5) {
        peer->out[peer->to - 4] = 2;
        peer->to--;
    }
}

static void take_publish(peer_t *peer, uint32_t flags, const uint8_t *body, size_t length,
                         uint64_t now)
{
    uint32_t qos = flags >> 1 & 3, topic_length = read_u16(body), properties = 0;
    const char *topic = (const char *)body + 2;
    const uint8_t *at = body + 2 + topic_length;
    if (qos) {
        uint32_t id = read_u16(at);
        at += 2;
        put_answer(peer, qos == 1 ? PUBACK : PUBREC, 0, id);
        peer->now += qos == 1;
        peer->unreleased += qos == 2;
        if (peer->now + peer->unreleased > peer->most)
            peer->most = peer->now + peer->unreleased;
    }
    if (topic_length == 6 && !memcmp(topic, "answer", 6)) {
        if (peer->v5)
            at += read_varint(at, 4, &properties) + properties;
        take_answer(peer, at, length - (size_t)(at - body), now);
    } else if (topic_length > 6 && topic_length < TOPIC && !memcmp(topic, "start/", 6)) {
        char copy[TOPIC];
        unsigned a, b, c, d;
        memcpy(copy, topic, topic_length);
        copy[topic_length] = 0;
        if (sscanf(copy, "start/flood/%u/%u/%u", &a, &b, &c) == 3)
            start_flood(peer, a, b, c);
        else if (sscanf(copy, "start/echo/%u/%u/%u/%u", &a, &b, &c, &d) == 4)
            start_echo(peer, a, b, c, d);
        else
            refuse("topic");
    } else {
        peer->came[qos > 2 ? 2 : qos]++;
        peer->late = qos ? 0 : peer->late + 1;
    }
}

/* Grant, or confirm, each filter; 5.0 has a reason code for those unsubscribed from, too. */
static void take_filters(peer_t *peer, int type, const uint8_t *body, size_t length)
{
    uint8_t codes[256], packet[16], *end = packet;
    const uint8_t *at = body + 2, *last = body + length;
    uint32_t count = 0, properties = 0;
    if (peer->v5)
        at += read_varint(at, 4, &properties) + properties;
    while (at < last && count < sizeof codes) {
        at += 2 + read_u16(at);
        codes[count++] = type == SUBSCRIBE ? *at++ & 3 : 0;
    }
    if (type == UNSUBSCRIBE && !peer->v5)
        count = 0;
    *end++ = (uint8_t)((type + 1) << 4);
    end = write_varint(end, count + 2 + (peer->v5 ? 1 : 0));
    memcpy(end, body, 2);
    end += 2;
    if (peer->v5)
        *end++ = 0;
    put(peer, packet, (size_t)(end - packet));
    put(peer, codes, count);
}

static void take_packet(peer_t *peer, uint8_t first, const uint8_t *body, size_t length,
                        uint64_t now)
{
    static const uint8_t pingresp[] = {PINGRESP << 4, 0};
    switch (first >> 4) {
    case CONNECT:
        take_connect(peer, body);
        break;
    case PUBLISH:
        take_publish(peer, first & 0xF, body, length, now);
        break;
    case PUBACK:
    case PUBCOMP:
        peer->unacknowledged--;
        break;
    case PUBREC:
        put_answer(peer, PUBREL, 2, read_u16(body));
        break;
    case PUBREL:
        put_answer(peer, PUBCOMP, 0, read_u16(body));
        peer->unreleased--;
        break;
    case SUBSCRIBE:
    case UNSUBSCRIBE:
        take_filters(peer, first >> 4, body, length);
        break;
    case SUBACK:
        puts("ready");
        fflush(stdout);
        break;
    case PINGREQ:
        put(peer, pingresp, 2);
        break;
    default: /* what needs no answer */
        break;
    }
}

static void take_packets(peer_t *peer)
{
    uint64_t now = nanoseconds();
    size_t at = 0;
    peer->now = 0;
    while (peer->have - at >= 2) {
        uint32_t length;
        size_t taken = read_varint(peer->in + at + 1, peer->have - at - 1, &length);
        if (!taken || peer->have - at - 1 - taken < length)
            break;
        take_packet(peer, peer->in[at], peer->in + at + 1 + taken, length, now);
        at += 1 + taken + length;
    }
    memmove(peer->in, peer->in + at, peer->have - at);
    peer->have -= at;
    if (peer->have == READ)
        refuse("packet");
}

static peer_t *open_peer(int fd)
{
    int one = 1;
    peer_t *peer = peers;
    while (peer < peers + PEERS && peer->fd >= 0)
        peer++;
    if (peer == peers + PEERS)
        die("peers");
    memset(peer, 0, sizeof *peer);
    peer->fd = fd;
    peer->window = 0xFFFF;
    peer->opened = nanoseconds();
    peer->busy = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID);
    peer->in = allocate(READ + 16); /* a field cut short is read over its end */
    peer->out = allocate(ROOM);
    peer->packet = allocate(PACKET);
    peer->request = allocate(PACKET);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
    return peer;
}

static void close_peer(peer_t *peer)
{
    if (peer->joined)
        exit(0);
    printf("%llu %llu %llu %u %llu %.0f\n", (unsigned long long)peer->came[0],
           (unsigned long long)peer->came[1], (unsigned long long)peer->came[2], peer->most,
           (unsigned long long)peer->late,
           100.0 * (double)(nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) - peer->busy) /
               (double)(nanoseconds() - peer->opened));
    fflush(stdout);
    close(peer->fd);
    peer->fd = -1;
    free(peer->in);
    free(peer->out);
    free(peer->packet);
    free(peer->request);
    free(peer->times);
}

static int passing(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Read once, and send once; whether the peer is still there. */
static int serve(peer_t *peer, int readable)
{
    ssize_t length;
    if (readable) {
        length = recv(peer->fd, peer->in + peer->have, READ - peer->have, 0);
        if (!length || (length < 0 && !passing()))
            return 0;
        if (length > 0) {
            peer->have += (size_t)length;
            take_packets(peer);
        }
    }
    feed(peer);
    if (peer->to > peer->from) {
        length = send(peer->fd, peer->out + peer->from, peer->to - peer->from, MSG_NOSIGNAL);
        if (length < 0 && !passing())
            return 0;
        if (length > 0)
            peer->from += (size_t)length;
        if (peer->from == peer->to)
            peer->from = peer->to = 0;
    }
    return 1;
}

static struct sockaddr_in address(const char *host, const char *port)
{
    struct sockaddr_in found;
    memset(&found, 0, sizeof found);
    found.sin_family = AF_INET;
    found.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &found.sin_addr) != 1)
        die("host");
    return found;
}

static int listen_here(void)
{
    struct sockaddr_in here = address("127.0.0.1", "0");
    socklen_t length = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, length) || listen(fd, PEERS) ||
        getsockname(fd, (struct sockaddr *)&here, &length))
        die("listen");
    printf("%u\n", (unsigned)ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

static void join(const char *host, const char *port)
{
    static const uint8_t greeting[] = "\x10\x15\0\4MQTT\4\2\0\0\0\11responder" /* CONNECT */
                                      "\x82\x15\0\1\0\7start/#\0\0\6answer\0";  /* SUBSCRIBE */
    struct sockaddr_in there = address(host, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    peer_t *peer;
    if (fd < 0 || connect(fd, (struct sockaddr *)&there, sizeof there))
        die("connect");
    peer = open_peer(fd);
    peer->joined = 1;
    put(peer, greeting, sizeof greeting - 1);
}

int main(int arguments, char **argument)
{
    int listener = -1;
    peer_t *peer;
    for (peer = peers; peer < peers + PEERS; peer++)
        peer->fd = -1;
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* a request is to be sent when it is due */
#endif
    if (arguments == 3)
        join(argument[1], argument[2]);
    else
        listener = listen_here();
    for (;;) {
        struct timespec patience, *until = NULL;
        uint64_t first = 0, now;
        int most = listener;
        fd_set readable, writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(STDIN_FILENO, &readable);
        if (listener >= 0)
            FD_SET(listener, &readable);
        for (peer = peers; peer < peers + PEERS; peer++) {
            uint64_t at;
            if (peer->fd < 0)
                continue;
            most = peer->fd > most ? peer->fd : most;
            if (peer->to - peer->from < READ) /* who takes nothing is not heard, either */
                FD_SET(peer->fd, &readable);
            if (peer->to > peer->from || flooding(peer))
                FD_SET(peer->fd, &writable);
            if ((at = due(peer)) && (!first || at < first))
                first = at;
        }
        if (first) {
            now = nanoseconds();
            first = first > now ? first - now : 0;
            patience.tv_sec = (time_t)(first / 1000000000u);
            patience.tv_nsec = (long)(first % 1000000000u);
            until = &patience;
        }
        if (pselect(most + 1, &readable, &writable, NULL, until, NULL) < 0) {
            if (errno == EINTR)
                continue;
            die("pselect");
        }
        if (FD_ISSET(STDIN_FILENO, &readable) && getchar() == EOF)
            return 0;
        for (peer = peers; peer < peers + PEERS; peer++)
            if (peer->fd >= 0 && !serve(peer, FD_ISSET(peer->fd, &readable)))
                close_peer(peer);
        if (listener >= 0 && FD_ISSET(listener, &readable)) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0)
                open_peer(fd);
        }
    }
}
