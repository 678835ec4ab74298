// rtc: the driver of the machine's battery-backed clock.
//
//   rtc SERVER PORTS
//
// serves the scheme whose server end is descriptor SERVER, a file: reading it tells what the clock
// behind the I/O ports PORTS says, as "2026-11-23 14:50:00" and a newline, in UTC; such a line that
// is written sets it. The time of day that programs see was read from it when the machine started,
// and goes on by itself. -1 instead of the ports: the driver ends.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/files.h"
#include "user/services/rtc/cmos.h"

#define DEVICE_NUMBER 0x727463u
#define LINE_BYTES    64u

static kwast_handle ports;

static u8 read_register(struct cmos *, u8 number) {
    u32 value = UINT8_MAX;
    kwast_port_out(ports, 0, 1, number);
    kwast_port_in(ports, 1, 1, &value);
    return (u8)value;
}

static void write_register(struct cmos *, u8 number, u8 value) {
    kwast_port_out(ports, 0, 1, number);
    kwast_port_out(ports, 1, 1, value);
}

static struct cmos cmos = {read_register, write_register};
static struct node root = {1, FILE_TYPE_CHARACTER_DEVICE};

static enum status read(struct file_system *, struct node *, u64 offset,
                        struct transfer *transfer) {
    struct cmos_time time;
    char line[LINE_BYTES];
    if (!cmos_get(&cmos, &time))
        return ERR_IO;
    int len = snprintf(line, sizeof line, "%04u-%02u-%02u %02u:%02u:%02u\n", time.year, time.month,
                       time.day, time.hour, time.minute, time.second);
    if (offset >= (u64)len)
        return OK;
    return transfer_put(transfer, line + offset,
                        min_u64((u64)len - offset, transfer_left(transfer)));
}

static enum status write(struct file_system *, struct node *, u64, struct transfer *transfer) {
    struct cmos_time time;
    struct transfer taken = *transfer;
    char line[LINE_BYTES] = {0};
    int end = 0;
    if (transfer_left(transfer) >= sizeof line)
        return ERR_INVALID;
    enum status status = transfer_get(&taken, line, transfer_left(transfer));
    if (status != OK)
        return status;
    int count = sscanf(line, "%4u-%2u-%2u %2u:%2u:%2u%n", &time.year, &time.month, &time.day,
                       &time.hour, &time.minute, &time.second, &end);
    bool is_line = count == 6 && end != 0 && (line[end] == 0 || strcmp(line + end, "\n") == 0);
    if (!is_line || !cmos_time_is_valid(&time) || !cmos_set(&cmos, &time))
        return ERR_INVALID;
    *transfer = taken;
    return OK;
}

static enum status stat(struct file_system *, struct node *node, struct file_stat *out) {
    *out = (struct file_stat){
        .device = DEVICE_NUMBER, .inode = 1, .link_count = 1, .type = node->type};
    return OK;
}

// Opening it to be written.
static enum status set_size(struct file_system *, struct node *, u64) {
    return OK;
}

static void release(struct file_system *, struct node *) {
}

static const struct file_system_ops operations = {
    .release = release,
    .stat = stat,
    .read = read,
    .write = write,
    .set_size = set_size,
};

int main(int argc, char **argv) {
    struct file_system fs = {&operations, &root};
    if (argc != 3) {
        fprintf(stderr, "usage: rtc SERVER PORTS\n");
        return 2;
    }
    ports = (kwast_handle)atoi(argv[2]);
    if (ports == KWAST_NO_HANDLE)
        return 0; // there is nothing to drive
    u32 error = files_serve((kwast_handle)atoi(argv[1]), &fs);
    fprintf(stderr, "rtc: serving: %s\n", strerror((int)error));
    return 1;
}
