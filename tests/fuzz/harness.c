/* Makes up cases and runs the checks of scan_check.h on them: see README.md.
 *
 *     harness check COUNT SEED FINDING [FILE...]   the corpus as it is, then COUNT cases made up
 *     harness print COUNT SEED [FILE...]           COUNT such cases, for compare_tables.py
 *     harness check-case CASE
 *     harness print-case CASE
 *
 * The FILEs are the corpus: recordings of one direction of a connection. The checks run in a child
 * process, and the case in hand lies in memory that its parent shares: so it can be saved whatever
 * way the child ends. */
#include "make_case.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 30 }; /* that 1024 cases may take; they take milliseconds */

/* What parent and child share: the case in hand, and how many were checked. */
typedef struct {
    uint64_t checked;
    uint32_t size;
    uint8_t buffer[];
} desk;

static void check_desk(desk *shared)
{
    scan_case k;
    if (shared->checked % 1024 == 0)
        alarm(SECONDS);
    if (read_case(shared->buffer, shared->size, &k))
        check_case(&k);
    shared->checked++;
}

/* Check a recording as it is: for every version and sender, cut everywhere if it is short. */
static void check_recording(desk *shared, const recording *r)
{
    uint32_t combination, cut, step = r->size <= 512 ? 1 : r->size / 16;
    scan_case k;
    memset(&k, 0, sizeof k);
    memcpy(shared->buffer, r->data, r->size);
    shared->size = r->size + TAIL;
    for (combination = 0; combination < 12; combination++) {
        k.version = combination % 4 ? 2 + combination % 4 : 0;
        k.sender = combination / 4;
        for (cut = below(step); cut <= r->size; cut += step) {
            k.cut = cut;
            k.capacity = once_in(2) ? 1 + below(8) : 255;
            k.limit = once_in(8) ? below(r->size + 2) : 268435460;
            k.beyond = once_in(2) ? below(300) : any32() >> below(32);
            put_tail(shared->buffer + r->size, &k);
            check_desk(shared);
        }
    }
}

static void check_all(desk *shared, uint64_t count)
{
    uint32_t i;
    for (i = 0; i < recordings; i++)
        check_recording(shared, &corpus[i]);
    while (count--) {
        shared->size = make_case(shared->buffer);
        check_desk(shared);
    }
}

/* Run the checks in a child; return the exit status, and write the case at fault to `finding`. */
static int check(uint64_t count, const char *finding)
{
    size_t room = SCRATCH;
    desk *shared;
    FILE *file;
    pid_t child;
    int status;
    uint32_t i;
    for (i = 0; i < recordings; i++)
        if (room < corpus[i].size + (size_t)TAIL)
            room = corpus[i].size + (size_t)TAIL;
    shared = mmap(NULL, sizeof *shared + room, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    child = fork();
    if (child == 0) {
        check_all(shared, count);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("fork");
        return 2;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("%llu cases checked, %u recordings among them\n",
               (unsigned long long)shared->checked, (unsigned)recordings);
        return 0;
    }
    if (WIFSIGNALED(status))
        fprintf(stderr, "ended by signal %d%s\n", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
    file = fopen(finding, "wb");
    if (!file || fwrite(shared->buffer, 1, shared->size, file) != shared->size || fclose(file))
        perror(finding);
    fprintf(stderr, "case %llu is a finding of %u bytes\n",
            (unsigned long long)shared->checked, (unsigned)shared->size);
    return 1;
}

/* One line: arguments, an =, the case in hexadecimal, table. */
static void print_case(const uint8_t *buffer, size_t size)
{
    scan_case read, *k = &read;
    uint32_t *table, rows, i;
    if (!read_case(buffer, size, k))
        return;
    table = allocate(NULL, (k->capacity + 1) * ROW);
    rows = mqtt_scan(k->data, k->start, k->size, k->beyond, k->version, k->sender, k->limit,
                     table, k->capacity);
    printf("%u %u %u %u %u %u =", (unsigned)k->start, (unsigned)k->beyond,
           (unsigned)k->version, (unsigned)k->sender, (unsigned)k->limit,
           (unsigned)k->capacity);
    for (i = 0; i < size; i++)
        printf("%02x", buffer[i]);
    for (i = 0; i < (rows + 1) * MQTT_COLUMNS; i++)
        printf(" %u", (unsigned)table[i]);
    putchar('\n');
    free(table);
}

static int print(uint64_t count)
{
    static uint8_t buffer[SCRATCH];
    while (count--)
        print_case(buffer, make_case(buffer));
    return 0;
}

/* Check or print the case in a file. */
static int one(const char *path, int checked)
{
    recording file = load(path);
    scan_case k;
    if (!read_case(file.data, file.size, &k)) {
        fprintf(stderr, "%s is no case: it has fewer than %d bytes\n", path, TAIL);
        return 2;
    }
    alarm(SECONDS);
    if (checked)
        check_case(&k);
    else
        print_case(file.data, file.size);
    return 0;
}

int main(int count, char **arguments)
{
    const char *what = count > 2 ? arguments[1] : "";
    if (strcmp(what, "check-case") == 0)
        return one(arguments[2], 1);
    if (strcmp(what, "print-case") == 0)
        return one(arguments[2], 0);
    if (count > 3)
        state = strtoull(arguments[3], NULL, 10);
    if (strcmp(what, "check") == 0 && count > 4) {
        load_corpus(arguments + 5, count - 5);
        return check(strtoull(arguments[2], NULL, 10), arguments[4]);
    }
    if (strcmp(what, "print") == 0 && count > 3) {
        load_corpus(arguments + 4, count - 4);
        return print(strtoull(arguments[2], NULL, 10));
    }
    fputs("usage: see the head of harness.c\n", stderr);
    return 2;
}
