/* The libFuzzer target: see README.md. */
#include "scan_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scan_case k;
    if (read_case(data, size, &k))
        check_case(&k);
    return 0;
}
