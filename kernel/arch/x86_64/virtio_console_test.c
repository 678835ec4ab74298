// The link's driver against a device that is played here: its registers are plain memory, and its
// side of the rings is written by hand, honestly and otherwise.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/math.h"
#include "base/string.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/pci.h"

#define SIZE         64u
#define BUFFER_BYTES 4096u

// virtio 1.2, section 4.1.4.3 and 2.7, written out a second time.
static struct {
    u32 feature_select, feature, driver_select, driver_feature;
    u16 config_vector, queue_count;
    u8 status, generation;
    u16 queue_select, queue_size, queue_vector, queue_enable, notify_offset;
    u64 descriptors, available, used;
} PACKED registers;

struct descriptor {
    u64 address;
    u32 len;
    u16 flags;
    u16 next;
};

struct used_element {
    u32 id;
    u32 len;
};

// The device's view of a queue.
struct queue {
    struct descriptor *descriptors;
    u16 *available; // flags, index, ring
    u16 *used;      // flags, index, ring of used_element
    u16 taken;      // of the available ring
};

static struct {
    bool has_ports;
    struct queue rx;
    struct queue tx;
    struct queue control;
    u16 doorbell[8];
    u8 *frames[6];
    u32 frame_count;
    u32 link_calls;
    void (*handler)(void);
    u32 irq_depth;
} world;

// -- What the driver calls ------------------------------------------------------------------------

arch_irq_state arch_irq_save(void) {
    world.irq_depth++;
    return world.irq_depth;
}

void arch_irq_restore(arch_irq_state state) {
    assert_int_equal(state, world.irq_depth);
    world.irq_depth--;
}

void arch_cpu_relax(void) {
}

struct phys_addr arch_frame_of(const void *pointer) {
    return (struct phys_addr){(uptr)pointer};
}

void *arch_frame_pointer(struct phys_addr frame) {
    return (void *)frame.value;
}

bool upcall_frames_alloc(u32 pages, struct phys_addr *out) {
    assert_true(world.frame_count < COUNT_OF(world.frames));
    u8 *memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
    memset(memory, 0, pages * PAGE_SIZE);
    world.frames[world.frame_count++] = memory;
    out->value = (uptr)memory;
    return true;
}

bool upcall_frame_alloc(struct phys_addr *out) {
    bool got = upcall_frames_alloc(1, out);
    // The rings: receiving first. Their parts lie one behind the other, suitably aligned.
    struct queue *queue = world.frame_count == 1   ? &world.rx
                          : world.frame_count == 3 ? &world.tx
                                                   : &world.control;
    u8 *ring = (u8 *)out->value;
    queue->descriptors = (struct descriptor *)ring;
    return got;
}

void upcall_frame_free(struct phys_addr frame) {
    free((void *)frame.value);
}

void upcall_link(void) {
    assert_int_equal(world.irq_depth, 0);
    world.link_calls++;
}

void upcall_log(const char *text) {
    fail_msg("logged: %s", text);
}

u8 irq_vector_install(void (*handler)(void)) {
    world.handler = handler;
    return 0x40;
}

bool pci_find(u16 vendor, const u16 *ids, u32 id_count, struct pci_device *out) {
    assert_int_equal(vendor, 0x1af4);
    assert_true(id_count >= 1);
    *out = (struct pci_device){.vendor = vendor, .id = ids[0]};
    return true;
}

// Two capabilities: the common registers at 0x40, the doorbells at 0x60.
u32 pci_capability(const struct pci_device *, u8 kind, u32 after) {
    assert_int_equal(kind, PCI_CAPABILITY_VENDOR);
    return after == 0 ? 0x40 : after == 0x40 ? 0x60 : 0;
}

u8 pci_read8(const struct pci_device *, u32 offset) {
    switch (offset) {
    case 0x43:
        return 1; // common
    case 0x63:
        return 2; // notification
    default:
        return offset == 0x64; // BAR number
    }
}

u32 pci_read32(const struct pci_device *, u32 offset) {
    switch (offset) {
    case 0x4c:
        return sizeof(registers);
    case 0x6c:
        return sizeof(world.doorbell);
    case 0x70:
        return 4; // the doorbells' multiplier
    default:
        return 0;
    }
}

bool pci_bar(const struct pci_device *, u32 index, u64 *phys, u64 *bytes) {
    *phys = index == 0 ? (uptr)&registers : (uptr)world.doorbell;
    *bytes = index == 0 ? sizeof(registers) : sizeof(world.doorbell);
    return true;
}

void device_note_own(u8, u8, u8) {
}

void *mmio_map(u64 phys, u64) {
    return (void *)phys;
}

void pci_enable(const struct pci_device *) {
}

bool pci_msix_start(const struct pci_device *, u8 vector) {
    assert_int_equal(vector, 0x40);
    return true;
}

// -- What the device does -------------------------------------------------------------------------

static u32 available_count(const struct queue *queue) {
    return (u16)(queue->available[1] - queue->taken);
}

// Takes the next buffer that was lent.
static u16 device_take(struct queue *queue) {
    assert_true(available_count(queue) != 0);
    return queue->available[2 + queue->taken++ % SIZE];
}

static void device_return(struct queue *queue, u32 id, u32 len) {
    struct used_element *ring = (struct used_element *)(queue->used + 2);
    ring[queue->used[1] % SIZE] = (struct used_element){id, len};
    queue->used[1]++;
}

static u8 *device_buffer(struct queue *queue, u16 id) {
    return (u8 *)queue->descriptors[id].address;
}

static void device_sends(const char *text) {
    u16 id = device_take(&world.rx);
    memcpy(device_buffer(&world.rx, id), text, strlen(text));
    device_return(&world.rx, id, (u32)strlen(text));
}

// The driver keeps its state in one static structure; a test of a dead link needs a live one first,
// so each test is a process of its own: see run_apart.
static void find_ring(struct queue *queue, u64 available, u64 used) {
    queue->available = (u16 *)((u8 *)queue->descriptors + available);
    queue->used = (u16 *)((u8 *)queue->descriptors + used);
}

static void start(void) {
    // Of version 1 and of several ports, which are bits of two words that this device has as one;
    // the bit below must not be taken.
    registers.feature = world.has_ports ? 3 : 1;
    registers.queue_count = world.has_ports ? 6 : 2;
    registers.queue_size = 256;
    virtio_console_start();
    assert_true(arch_link_present());
    assert_int_equal(registers.driver_feature, 1);
    assert_int_equal(registers.status, 15);
    assert_int_equal(registers.queue_size, SIZE);
    // The registers show the last queue; the others are laid out alike.
    u64 base = (uptr)(world.has_ports ? &world.control : &world.tx)->descriptors;
    assert_int_equal(registers.queue_select, world.has_ports ? 3 : 1);
    assert_int_equal(registers.descriptors, base);
    u64 available = registers.available - base;
    u64 used = registers.used - base;
    assert_true(available >= SIZE * 16 && used >= available + 4 + 2 * SIZE && used % 4 == 0);
    find_ring(&world.rx, available, used);
    find_ring(&world.tx, available, used);
    find_ring(&world.control, available, used);
    assert_int_equal(available_count(&world.rx), SIZE);
    assert_int_equal(available_count(&world.tx), 0);
}

static void assert_reads(const char *text) {
    char got[256];
    assert_int_equal(arch_link_read(got, sizeof(got)), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void assert_dead(void) {
    char byte;
    assert_false(arch_link_present());
    assert_int_equal(registers.status, 0);
    assert_int_equal(arch_link_read(&byte, 1), 0);
    assert_int_equal(arch_link_write("dropped", 7), 7);
}

// -- Tests ----------------------------------------------------------------------------------------

static void bytes_are_read_in_order_and_buffers_lent_again(void **) {
    start();
    assert_reads("");
    device_sends("one ");
    device_sends("two");
    world.handler();
    assert_int_equal(world.link_calls, 1);
    assert_reads("one two");
    assert_int_equal(available_count(&world.rx), SIZE);

    device_sends("split");
    char part[2];
    assert_int_equal(arch_link_read(part, 2), 2);
    assert_int_equal(available_count(&world.rx), SIZE - 1);
    assert_reads("lit");
    assert_int_equal(available_count(&world.rx), SIZE);
}

static void many_rounds_wrap_around(void **) {
    start();
    for (u32 i = 0; i < 70000; i++) {
        device_sends("x");
        char byte = 0;
        assert_int_equal(arch_link_read(&byte, 1), 1);
        assert_int_equal(byte, 'x');
    }
    assert_int_equal(available_count(&world.rx), SIZE);
}

static void buffers_come_back_in_any_order(void **) {
    start();
    u16 first = device_take(&world.rx);
    u16 second = device_take(&world.rx);
    *device_buffer(&world.rx, first) = 'a';
    *device_buffer(&world.rx, second) = 'b';
    device_return(&world.rx, second, 1);
    device_return(&world.rx, first, 1);
    assert_reads("ba");
}

static void an_empty_buffer_is_lent_again(void **) {
    start();
    device_return(&world.rx, device_take(&world.rx), 0);
    device_sends("y");
    assert_reads("y");
    assert_int_equal(available_count(&world.rx), SIZE);
}

static void writes_fill_buffers_then_wait(void **) {
    start();
    static u8 data[(SIZE + 3) * BUFFER_BYTES];
    for (u32 i = 0; i < sizeof(data); i++)
        data[i] = (u8)(i * 7 / 5);
    assert_int_equal(arch_link_write(data, sizeof(data)), SIZE * BUFFER_BYTES);
    assert_int_equal(arch_link_write(data, 1), 0);
    assert_int_equal(world.tx.available[0], 0); // interrupts are wanted
    world.handler();
    assert_int_equal(world.link_calls, 0);

    for (u32 i = 0; i < SIZE; i++) {
        u16 id = device_take(&world.tx);
        assert_int_equal(world.tx.descriptors[id].len, BUFFER_BYTES);
        assert_int_equal(world.tx.descriptors[id].flags, 0);
        assert_memory_equal(device_buffer(&world.tx, id), data + i * BUFFER_BYTES, BUFFER_BYTES);
        if (i < 3)
            device_return(&world.tx, id, 0);
    }
    world.handler();
    assert_int_equal(world.link_calls, 1);
    assert_int_equal(world.tx.available[0], 1); // and no more
    assert_int_equal(arch_link_write(data, sizeof(data)), 3 * BUFFER_BYTES);
}

static void what_the_device_still_has_is_not_sent(void **) {
    start();
    assert_true(arch_link_is_sent());
    assert_int_equal(world.tx.available[0], 1);
    assert_int_equal(arch_link_write("hello", 5), 5);
    assert_int_equal(arch_link_write("you", 3), 3);
    assert_false(arch_link_is_sent());
    assert_int_equal(world.tx.available[0], 0); // interrupts are wanted

    device_return(&world.tx, device_take(&world.tx), 0);
    world.handler();
    assert_int_equal(world.link_calls, 1);
    assert_false(arch_link_is_sent());
    assert_int_equal(world.tx.available[0], 0);
    device_return(&world.tx, device_take(&world.tx), 0);
    world.handler();
    assert_int_equal(world.link_calls, 2);
    assert_int_equal(world.tx.available[0], 1);
    assert_true(arch_link_is_sent());
}

static void of_several_ports_the_second_is_opened(void **) {
    static const u16 messages[][4] = {{0, 0, 0, 1}, {1, 0, 3, 1}, {1, 0, 6, 1}};
    world.has_ports = true;
    start();
    assert_int_equal(available_count(&world.control), COUNT_OF(messages));
    for (u32 i = 0; i < COUNT_OF(messages); i++) {
        u16 id = device_take(&world.control);
        assert_int_equal(world.control.descriptors[id].len, sizeof(messages[i]));
        assert_memory_equal(device_buffer(&world.control, id), messages[i], sizeof(messages[i]));
    }
    device_sends("hello");
    world.handler();
    assert_reads("hello");
}

static void a_small_write_is_one_buffer(void **) {
    start();
    assert_int_equal(arch_link_write("hello", 5), 5);
    assert_int_equal(available_count(&world.tx), 1);
    u16 id = device_take(&world.tx);
    assert_int_equal(world.tx.descriptors[id].len, 5);
    assert_memory_equal(device_buffer(&world.tx, id), "hello", 5);
}

static void a_buffer_that_does_not_exist_kills_the_link(void **) {
    start();
    device_return(&world.rx, SIZE, 1);
    world.handler();
    assert_dead();
}

static void a_buffer_that_was_not_lent_kills_the_link(void **) {
    start();
    u16 id = device_take(&world.rx);
    device_return(&world.rx, id, 1);
    device_return(&world.rx, id, 1);
    world.handler();
    assert_dead();
}

static void a_length_over_the_buffer_kills_the_link(void **) {
    start();
    device_return(&world.rx, device_take(&world.rx), BUFFER_BYTES + 1);
    world.handler();
    assert_dead();
}

static void a_full_buffer_does_not(void **) {
    start();
    device_return(&world.rx, device_take(&world.rx), BUFFER_BYTES);
    static u8 got[BUFFER_BYTES + 1];
    assert_int_equal(arch_link_read(got, sizeof(got)), BUFFER_BYTES);
    assert_true(arch_link_present());
}

static void an_index_that_jumps_kills_the_link(void **) {
    start();
    world.rx.used[1] = SIZE + 1;
    world.handler();
    assert_dead();
}

static void an_index_that_goes_back_kills_the_link(void **) {
    start();
    world.rx.used[1] = UINT16_MAX;
    char byte;
    assert_int_equal(arch_link_read(&byte, 1), 0);
    assert_dead();
}

static void a_sent_buffer_that_was_not_lent_kills_the_link(void **) {
    start();
    device_return(&world.tx, 3, 0);
    assert_int_equal(arch_link_write("x", 1), 1);
    assert_dead();
}

static void a_dead_link_wakes_who_waits(void **) {
    start();
    device_return(&world.rx, 1000, 1);
    world.handler();
    assert_int_equal(world.link_calls, 1);
}

// Runs the tests one by one, each in a fresh process, for the driver has one state for good.
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_read_in_order_and_buffers_lent_again),
        cmocka_unit_test(many_rounds_wrap_around),
        cmocka_unit_test(buffers_come_back_in_any_order),
        cmocka_unit_test(an_empty_buffer_is_lent_again),
        cmocka_unit_test(writes_fill_buffers_then_wait),
        cmocka_unit_test(what_the_device_still_has_is_not_sent),
        cmocka_unit_test(of_several_ports_the_second_is_opened),
        cmocka_unit_test(a_small_write_is_one_buffer),
        cmocka_unit_test(a_buffer_that_does_not_exist_kills_the_link),
        cmocka_unit_test(a_buffer_that_was_not_lent_kills_the_link),
        cmocka_unit_test(a_length_over_the_buffer_kills_the_link),
        cmocka_unit_test(a_full_buffer_does_not),
        cmocka_unit_test(an_index_that_jumps_kills_the_link),
        cmocka_unit_test(an_index_that_goes_back_kills_the_link),
        cmocka_unit_test(a_sent_buffer_that_was_not_lent_kills_the_link),
        cmocka_unit_test(a_dead_link_wakes_who_waits),
    };
    if (argc == 2) {
        const struct CMUnitTest one[] = {tests[(usize)atoi(argv[1]) % COUNT_OF(tests)]};
        return cmocka_run_group_tests(one, NULL, NULL);
    }
    int failed = 0;
    for (usize i = 0; i < COUNT_OF(tests); i++) {
        char command[4200];
        snprintf(command, sizeof(command), "'%s' %zu", argv[0], i);
        failed += system(command) != 0;
    }
    return failed;
}
