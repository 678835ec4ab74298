# Builds Kwast. `make help` lists what to say.
#
#   BUILD=debug|release   debug (the default) checks assertions; release does not
#   V=1                   shows the commands

BUILD ?= debug
CC    := clang-19
AR    := llvm-ar-19
LD    := ld.lld-19
out   := build
kout  := $(out)/$(BUILD)

ifeq ($(V),)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
else
Q :=
say = @:
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all: deps-build kernel hosted tools programs

.PHONY: help
help:
	@echo 'make              build everything into build/'
	@echo 'make run          boot in QEMU and be at the prompt (Ctrl-A X ends QEMU)'
	@echo '                  HOST=DIRECTORY: with that directory as /host; DISK=FILE: as /dev/blk/0'
	@echo 'make hosted       the kernel as a Linux process, build/kwast-hosted'
	@echo 'make iso          a bootable ISO, build/kwast.iso (BUILD=release: without assertions)'
	@echo 'make unit         unit tests, under ASan and UBSan'
	@echo 'make races        stress of locks, scheduler, heap and calls on several CPUs, under ThreadSanitizer'
	@echo 'tests/raced.py    tests on the hosted kernel under ThreadSanitizer, build/raced/kwast-hosted'
	@echo 'make x64          compare the assembler with LLVM'
	@echo 'make golden bless compare emitted code with tests/golden/*.txt; rewrite these'
	@echo 'make stack        compute how deep the stacks of the kernel get (BUILD=release: of that one)'
	@echo 'make system       the archive that they start with: services, shell, utilities'
	@echo 'make programs     the demonstration programs as WebAssembly; test-programs: those of the tests'
	@echo 'make tidy format  check the structure and the lint; format the code'
	@echo 'make clean        remove build/'
	@echo './run_tests       every test'

# -- Packages ------------------------------------------------------------------------------------

.PHONY: deps-build deps-run deps-test deps-bench
deps-build deps-run deps-test deps-bench: deps-%:
	@mkdir -p $(out)
	@tools/deps.sh $*

# Everything that is compiled waits for the packages.
ready := $(out)/.ready
$(ready): tools/deps.sh
	@mkdir -p $(out)
	@tools/deps.sh build
	@touch $@

# -- Sources -------------------------------------------------------------------------------------

# Files by wildcard: adding a file needs no edit here. X_test.c are unit tests.
sources = $(filter-out %_test.c,$(wildcard $(1)))
base_c         := $(filter-out base/string.c,$(call sources,base/*.c))
engine_c       := $(call sources,engine/*/*.c)
engine_s       := $(wildcard engine/*/*.S)
kernel_c       := $(call sources,kernel/*/*.c)
arch_c         := $(call sources,kernel/arch/x86_64/*.c)
arch_s         := $(wildcard kernel/arch/x86_64/*.S)
hosted_c       := $(call sources,kernel/arch/hosted/*.c)
hosted_s       := $(wildcard kernel/arch/hosted/*.S)
tool_c         := $(call sources,tools/*.c)
tool_lib_c     := $(call sources,tools/lib/*.c)
# The runner that tools, tests and the kernel share.
spec_runner_c  := $(call sources,tests/spec/runner*.c) tests/spec/spectest.c
test_c         := $(wildcard base/*_test.c engine/*/*_test.c kernel/*/*_test.c kernel/arch/*/*_test.c tools/*_test.c tools/lib/*_test.c tests/spec/*_test.c user/sdk/*_test.c user/*/*/*_test.c)
fake_c         := $(wildcard tests/fake_*.c)
# The tools are built without the tests' packages: cmocka is one.
fake_tool_c    := $(filter-out tests/fake_process.c,$(fake_c))

common_flags := -std=c23 -Wall -Wextra -Werror -I. -I$(out)/gen -g -fno-omit-frame-pointer \
                -fno-strict-aliasing -fwrapv -MMD -MP
release_flags := $(if $(filter release,$(BUILD)),-DNDEBUG)

# -- The kernel ----------------------------------------------------------------------------------

kernel_flags := $(common_flags) $(release_flags) -O2 -target x86_64-unknown-none-elf -ffreestanding -fbuiltin \
                -mcmodel=kernel -mno-red-zone -mno-sse -mno-mmx -mno-80387 -msoft-float -fno-pic \
                -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
                -DARCH_INLINE_HEADER='"kernel/arch/x86_64/inline.h"'
kernel_objects = $(patsubst %,$(kout)/kernel/%.o,$(base_c) base/string.c $(engine_c) $(engine_s) \
                 $(kernel_c) $(arch_c) $(arch_s)) \
                 $(kout)/kernel/gen/font.c.o

# It is what the compiler would call.
$(kout)/kernel/base/string.c.o: private kernel_flags += -fno-builtin

$(kout)/kernel/%.c.o: %.c | $(ready)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(kernel_flags) -c $< -o $@

$(kout)/kernel/%.S.o: %.S | $(ready)
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(kernel_flags) -c $< -o $@

# The image. One ELF for GRUB (Multiboot 2) and for `qemu -kernel` (PVH).
.PHONY: kernel
kernel: $(out)/kernel.elf

# The one of this BUILD, whichever was linked last.
$(out)/kernel.elf: $(kout)/kernel.elf always
	$(Q)cmp -s $< $@ || cp $< $@

.PHONY: always
always:

# Linked twice: the symbol table for backtraces is made from the first link, and moves no function.
link_kernel = $(Q)$(LD) -nostdlib -static --gc-sections -z max-page-size=4096 \
              $(link_strip) -T kernel/arch/x86_64/kernel.ld $(filter %.o,$^) -o $@

# A release carries its backtrace symbols in a section of its own, and nothing for a debugger.
$(out)/release/kernel.elf: private link_strip := --strip-all

%.symbols.S: %.first.elf tools/ksyms.py
	$(call say,SYMBOLS,$@)
	$(Q)llvm-nm-19 -n $< | tools/ksyms.py > $@

%.symbols.o: %.symbols.S
	$(Q)$(CC) $(kernel_flags) -c $< -o $@

$(kout)/kernel.first.elf: $(kernel_objects) kernel/arch/x86_64/kernel.ld
	$(link_kernel)

$(kout)/kernel.elf: $(kernel_objects) $(kout)/kernel.symbols.o kernel/arch/x86_64/kernel.ld
	$(call say,LINK,$@)
	$(link_kernel)

# Whether every stack of the kernel is deep enough for what runs on it.
.PHONY: stack
stack: $(kout)/kernel.first.elf
	$(Q)tools/stack_usage.py $<

# The kernel as a Linux process: the same sources, another port, and libc for that port alone. Not
# position-independent, so that the address space stays in one piece.
hosted_flags := $(common_flags) $(release_flags) -D_GNU_SOURCE -O2 -mno-red-zone -fno-pic \
                -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
                -DARCH_INLINE_HEADER='"kernel/arch/hosted/inline.h"'
hosted_objects = $(patsubst %,$(kout)/hosted/%.o,$(base_c) $(engine_c) $(engine_s) $(kernel_c) $(hosted_c) $(hosted_s))

$(kout)/hosted/%.o: % | $(ready)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(hosted_flags) -c $< -o $@

$(kout)/kwast-hosted: $(hosted_objects)
	$(call say,LINK,$@)
	$(Q)$(CC) -fuse-ld=lld-19 -static -Wl,--gc-sections $^ -o $@

.PHONY: hosted
hosted: $(out)/kwast-hosted
$(out)/kwast-hosted: $(kout)/kwast-hosted always
	$(Q)cmp -s $< $@ || cp --remove-destination $< $@ # it may be running

# The same under AddressSanitizer and UndefinedBehaviorSanitizer, for tests. Threads switch stacks,
# which AddressSanitizer does not follow, so it watches the heap and globals only; unit tests watch
# stacks. It cannot be linked static, but must stay where hosted.h says that the program is.
checked_flags := $(hosted_flags) -fsanitize=address,undefined -fno-sanitize-recover=all \
                 -mllvm -asan-stack=0
checked_objects = $(patsubst $(kout)/hosted/%,$(out)/checked/%,$(hosted_objects))

$(out)/checked/%.o: % | $(ready)
	$(call say,CC,$< (checked))
	@mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter %.c,$<),$(checked_flags),$(hosted_flags)) -c $< -o $@

$(out)/checked/kwast-hosted: $(checked_objects)
	$(call say,LINK,$@)
	$(Q)$(CC) -fuse-ld=lld-19 -no-pie -fsanitize=address,undefined $^ -o $@

# The same under ThreadSanitizer, which has it at other addresses (hosted.h).
raced_flags := $(hosted_flags) -fsanitize=thread
raced_objects = $(patsubst $(kout)/hosted/%,$(out)/raced/%,$(hosted_objects))

$(out)/raced/%.o: % | $(ready)
	$(call say,CC,$< (for races))
	@mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter %.c,$<),$(raced_flags),$(hosted_flags)) -c $< -o $@

$(out)/raced/kwast-hosted: $(raced_objects)
	$(call say,LINK,$@)
	$(Q)$(CC) -fuse-ld=lld-19 -no-pie -fsanitize=thread $^ -o $@

# The kernel with the specification's runner as its payload, on both machines (`kwast wast`).
spec_payload_c = tests/spec/payload.c $(spec_runner_c)
spec_kernel_objects = $(filter-out $(kout)/kernel/kernel/init/payload.c.o,$(kernel_objects)) \
                      $(patsubst %,$(kout)/kernel/%.o,$(spec_payload_c))

$(kout)/spec.first.elf: $(spec_kernel_objects) kernel/arch/x86_64/kernel.ld
	$(link_kernel)

$(out)/spec.elf: $(spec_kernel_objects) $(kout)/spec.symbols.o kernel/arch/x86_64/kernel.ld
	$(call say,LINK,$@)
	$(link_kernel)

$(out)/spec-hosted: $(filter-out $(kout)/hosted/kernel/init/payload.c.o,$(hosted_objects)) \
                    $(patsubst %,$(kout)/hosted/%.o,$(spec_payload_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fuse-ld=lld-19 -static -Wl,--gc-sections $^ -o $@

.PHONY: spec-machines
spec-machines: $(out)/spec.elf $(out)/spec-hosted

# The port alone, with a payload that tests it in place of the kernel (tests/boot/arch_test.py).
arch_test_objects = $(patsubst %,$(kout)/kernel/%.o,$(base_c) base/string.c $(arch_c) $(arch_s) \
                    tests/boot/arch_payload.c tests/boot/arch_payload_aspaces.c tests/boot/arch_payload_cpus.c tests/boot/arch_payload_asm.S) $(kout)/kernel/gen/font.c.o

$(kout)/arch-test.first.elf: $(arch_test_objects) kernel/arch/x86_64/kernel.ld
	$(link_kernel)

$(out)/arch-test.elf: $(arch_test_objects) $(kout)/arch-test.symbols.o kernel/arch/x86_64/kernel.ld
	$(call say,LINK,$@)
	$(link_kernel)

$(kout)/kernel/gen/%.c.o: $(out)/gen/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(kernel_flags) -c $< -o $@

# -- Host: tools, and the same sources under sanitizers for tests -----------------------------------

host_flags := $(common_flags) -D_GNU_SOURCE -O2
unit_flags := $(common_flags) -D_GNU_SOURCE -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

$(out)/host/%.o: % | $(ready)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(host_flags) -c $< -o $@

$(out)/unit/obj/%.o: % | $(ready)
	$(call say,CC,$< (checked))
	@mkdir -p $(@D)
	$(Q)$(CC) $(unit_flags) $(if $(filter %.c,$<),--embed-dir=$(out)/gen) -c $< -o $@

$(out)/unit/gen/%.c.o: $(out)/gen/%.c
	$(call say,CC,$< (checked))
	@mkdir -p $(@D)
	$(Q)$(CC) $(unit_flags) -c $< -o $@

# As for use, without assertions: what benchmarks measure. The engine in it is compiled like the
# kernel's, which is not position-independent.
$(out)/release/host/%.o: % | $(ready)
	$(call say,CC,$< (release))
	@mkdir -p $(@D)
	$(Q)$(CC) $(host_flags) -DNDEBUG -fno-pic -c $< -o $@

$(out)/host/gen/%.c.o: $(out)/gen/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(host_flags) -c $< -o $@

archive = $(Q)rm -f $@ && $(AR) crs $@ $(filter %.o,$^) 2>/dev/null || printf '!<arch>\n' >$@

# The kernel's portable parts as far as a host can build them: all but init, which belongs to a boot.
kernel_host_c := $(filter-out kernel/init/kmain.c kernel/init/demo.c kernel/init/prompt.c,$(kernel_c))
# `tools/lib/host_linux.c` implements engine/api/host.h on Linux; kernel/proc/engine_host.c does so in
# the kernel. A test gets the one that its folder implies.
# What of the port reads firmware's and loaders' data.
port_host_c := $(addprefix kernel/arch/x86_64/,ranges.c multiboot2.c pvh.c boot_info.c acpi.c virtio_console.c \
                 framebuffer.c)
# What of the services needs no kernel.
user_host_c := user/sdk/virtio_ring.c $(addprefix user/services/console/,canvas.c cursor.c filter.c keys.c line.c screen.c scrollback.c terminal.c) \
               user/services/serial/uart.c user/services/rtc/cmos.c user/services/pci/config.c $(addprefix user/services/ps2/,keyboard.c layout.c mouse.c scancodes.c) \
               $(addprefix user/services/ninep/,p9.c nodes.c) \
               $(addprefix user/services/tmpfs/,contents.c directory.c stock.c tmpfs.c)
define host_archives
$(1)/libbase.a: $(patsubst %,$(1)/$(2)%.o,$(base_c)) Makefile
	$$(archive)
$(1)/libengine.a: $(patsubst %,$(1)/$(2)%.o,$(engine_c) $(engine_s)) Makefile
	$$(archive)
$(1)/libkernel.a: $(patsubst %,$(1)/$(2)%.o,$(kernel_host_c)) Makefile
	$$(archive)
$(1)/libport.a: $(patsubst %,$(1)/$(2)%.o,$(port_host_c)) $(1)/gen/font.c.o Makefile
	$$(archive)
$(1)/libuser.a: $(patsubst %,$(1)/$(2)%.o,$(user_host_c)) $(1)/gen/console_font.c.o Makefile
	$$(archive)
$(1)/libfake.a: $(patsubst %,$(1)/$(2)%.o,$(if $(2),$(fake_c),$(fake_tool_c))) Makefile
	$$(archive)
$(1)/libtool.a: $(patsubst %,$(1)/$(2)%.o,$(tool_lib_c) $(spec_runner_c)) Makefile
	$$(archive)
endef
$(eval $(call host_archives,$(out)/unit,obj/))
$(eval $(call host_archives,$(out)/host,))
$(eval $(call host_archives,$(out)/release/host,))

# -- Unit tests ------------------------------------------------------------------------------------

# Modules that tests embed, from text.
test_wasm := $(patsubst tests/wat/%.wat,$(out)/gen/wat/%.wasm,$(wildcard tests/wat/*.wat))
$(out)/gen/wat/%.wasm: tests/wat/%.wat
	@mkdir -p $(@D)
	$(Q)wat2wasm --debug-names --enable-tail-call --enable-multi-memory --enable-memory64 --enable-threads --enable-exceptions $< -o $@
$(patsubst %,$(out)/unit/obj/%.o,$(filter engine/% kernel/% tests/%,$(test_c))): $(test_wasm)

unit_programs := $(patsubst %_test.c,$(out)/unit/%_test,$(test_c))

# Engine and tool tests run on the Linux host; base and kernel tests on the fake machine.
unit_libs = $(if $(filter user/%,$(1)),libuser.a libfake.a vterm/libvterm.a libbase.a,$(if $(filter kernel/arch/%,$(1)),libport.a libfake.a libkernel.a libengine.a libbase.a,\
            $(if $(filter kernel/%,$(1)),libkernel.a libfake.a libengine.a libbase.a,libengine.a libfake.a libtool.a libbase.a)))

# What makes the kernel's calls, with those of its test.
$(out)/unit/obj/user/services/console/terminal.c.o $(out)/unit/obj/user/services/console/terminal_test.c.o: \
    private unit_flags += -Itests/fuzz/user/host -Wno-ignored-attributes -Wno-unknown-attributes

# The console's emulator, under sanitizers as well.
$(out)/unit/vterm/libvterm.a: user/ports/libvterm/build.sh tools/fetch-source.sh tools/own_apt.sh | $(ready)
	$(call say,PORT,$@)
	@mkdir -p $(@D)
	$(Q)user/ports/libvterm/build.sh $@ -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
$(out)/unit/obj/user/services/console/screen.c.o $(out)/unit/obj/user/services/console/screen_test.c.o: \
    private unit_flags += -I$(out)/unit/vterm/include
$(out)/unit/obj/user/services/console/screen.c.o $(out)/unit/obj/user/services/console/screen_test.c.o: \
    $(out)/unit/vterm/libvterm.a

$(out)/unit/%_test: $(out)/unit/obj/%_test.c.o $(foreach l,base engine kernel fake port tool user,$(out)/unit/lib$(l).a) \
    $(out)/unit/vterm/libvterm.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=address,undefined $< -Wl,--start-group \
	    $(addprefix $(out)/unit/,$(call unit_libs,$*)) -Wl,--end-group -lcmocka -lcjson -o $@

.PHONY: unit
unit: $(unit_programs)
	@tools/run_unit.sh $(unit_programs)

# Locks, the scheduler, the heap, calls between processes and what threads share on several CPUs at
# once, which are host threads here, under ThreadSanitizer.
SMP_ROUNDS ?= 300
SMP_SEED   ?= 1
tsan_flags := $(common_flags) -D_GNU_SOURCE -O1 -fsanitize=thread
tsan_c     := tests/smp/machine.c tests/smp/crew.c tests/fake_devices.c $(base_c) kernel/proc/memory_wait.c \
              $(call sources,kernel/sync/*.c kernel/mm/*.c kernel/sched/*.c kernel/ipc/*.c)
smp_tests  := $(patsubst tests/smp/%.c,$(out)/smp/%,$(filter-out tests/smp/machine.c tests/smp/crew.c,$(call sources,tests/smp/*.c)))

$(out)/tsan/%.o: % | $(ready)
	$(call say,CC,$< (for races))
	@mkdir -p $(@D)
	$(Q)$(CC) $(tsan_flags) -c $< -o $@

# Of what is no test each takes what it needs.
$(out)/tsan/libkernel.a: $(patsubst %,$(out)/tsan/%.o,$(tsan_c))
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(smp_tests): $(out)/smp/%: $(out)/tsan/tests/smp/%.c.o $(out)/tsan/libkernel.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=thread $^ -o $@

.PHONY: races
races: $(smp_tests)
	$(Q)for test in $^; do for cpus in 1 2 4 8; do \
	    TSAN_OPTIONS=halt_on_error=1 $$test $$cpus $(SMP_ROUNDS) $(SMP_SEED) || exit 1; done; done

# The port under every way to start it, with its own payload in place of the kernel.
.PHONY: port
port: $(out)/arch-test.elf
	$(Q)/usr/bin/python3 -m pytest -q tests/boot/arch_test.py

# The assembler against LLVM's: what it emits is what it means, and no longer than needed.
.PHONY: x64
x64: $(out)/unit/engine/x64/asm_test $(out)/unit/engine/x64/asm_vec_test $(out)/unit/engine/x64/asm_vex_test
	$(Q)for list in $^; do $$list --list; done | tests/x64_check.py

# What the compiler emits for small functions, as text that a person has read.
$(out)/golden: $(out)/host/tests/golden/dump.c.o $(foreach l,tool engine fake base,$(out)/host/lib$(l).a)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@
.PHONY: golden bless
golden: $(out)/golden
	$(Q)tests/golden.py $< $(wildcard tests/golden/*.wat)
bless: $(out)/golden
	$(Q)tests/golden.py --bless $< $(wildcard tests/golden/*.wat)

# -- Fuzzing -------------------------------------------------------------------------------------------

# What hostile bytes reach before there is code: ops, decode, validate.
# So many inputs, always the same ones; another FUZZ_SEED finds others, and 0 is a new one each time.
FUZZ_SEED         ?= 1
FUZZ_DECODE_RUNS  ?= 800000
FUZZ_COMPILE_RUNS ?= 100000
FUZZ_RUN_RUNS     ?= 3000
# For each of the services.
FUZZ_USER_RUNS    ?= 40000
FUZZ_MUTATIONS    ?= 100000
# For an input: a limit for hangs, not a measure.
FUZZ_UNIT_SECONDS := 300
# Where things lie decides what libFuzzer tries next.
same_addresses := $(shell setarch -R true 2>/dev/null && echo setarch -R)
fuzz_options = -seed=$(FUZZ_SEED) -timeout=$(FUZZ_UNIT_SECONDS) -verbosity=0 -artifact_prefix=$(out)/fuzz/
fuzz_flags   := $(unit_flags) -fsanitize=fuzzer-no-link
fuzz_c       := tests/fuzz/target.c tests/fake_host.c tests/fake_assert.c $(base_c) \
                $(call sources,engine/ops/*.c engine/decode/*.c engine/validate/*.c)
fuzz_corpus  := tests/fuzz/corpus/decode

$(out)/fuzz/obj/%.o: % | $(ready)
	$(call say,CC,$< (fuzzed))
	@mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter %.c,$<),$(fuzz_flags),$(common_flags)) -c $< -o $@

$(out)/fuzz/decode_fuzz: $(patsubst %,$(out)/fuzz/obj/%.o,tests/fuzz/decode_fuzz.c $(fuzz_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $^ -o $@

$(out)/fuzz/mutate: $(patsubst %,$(out)/fuzz/obj/%.o,tests/fuzz/mutate.c $(fuzz_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=address,undefined $^ -o $@

# The same inputs through the whole engine.
compile_fuzz_c := tests/fuzz/compile_target.c tests/fake_assert.c tools/lib/host_linux.c $(base_c) $(engine_c) $(engine_s)
$(out)/fuzz/compile_fuzz: $(patsubst %,$(out)/fuzz/obj/%.o,tests/fuzz/decode_fuzz.c $(compile_fuzz_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $^ -o $@

$(out)/fuzz/compile_mutate: $(patsubst %,$(out)/fuzz/obj/%.o,tests/fuzz/mutate.c $(compile_fuzz_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=address,undefined $^ -o $@

# Modules that run: the input is the decisions of the oracle's generator.
run_fuzz_c := tests/fuzz/run_fuzz.c $(filter-out tests/oracle/oracle.c,$(wildcard tests/oracle/*.c)) \
              $(filter-out tests/fuzz/compile_target.c,$(compile_fuzz_c))
$(out)/fuzz/run_fuzz: $(patsubst %,$(out)/fuzz/obj/%.o,$(run_fuzz_c))
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $^ -o $@

# Services, the manifest and the shell's grammar, compiled for the host, with clients made of the input.
user_fuzz_flags := $(fuzz_flags) -Itests/fuzz/user/host -Wno-ignored-attributes -Wno-unknown-attributes \
                   $(foreach f,close usleep malloc calloc realloc free aligned_alloc,-D$(f)=fake_$(f))
user_fuzz_common := tests/fuzz/user/fake_kernel.c $(base_c)
tmpfs_fuzz_c    := $(addprefix user/sdk/,files.c walk.c) $(addprefix user/services/tmpfs/,contents.c directory.c stock.c tmpfs.c)
ninep_fuzz_c    := $(addprefix user/sdk/,files.c walk.c) $(addprefix user/services/ninep/,p9.c nodes.c)
pci_fuzz_c      := $(addprefix user/sdk/,files.c walk.c) $(addprefix user/services/pci/,config.c function.c listing.c space.c)
pipe_fuzz_c     :=
terminal_fuzz_c := $(addprefix user/services/console/,terminal.c cursor.c line.c filter.c)
manifest_fuzz_c := user/services/init/manifest.c
ps2_fuzz_c      := user/services/console/keys.c $(addprefix user/services/ps2/,keyboard.c layout.c mouse.c scancodes.c)
syntax_fuzz_c   := $(addprefix user/programs/sh/,syntax.c text.c print.c)
user_fuzzers    := tmpfs ninep pci pipe terminal manifest ps2 syntax

$(out)/fuzz/user/%.o: % | $(ready)
	$(call say,CC,$< (fuzzed))
	@mkdir -p $(@D)
	$(Q)$(CC) $(user_fuzz_flags) -c $< -o $@

define user_fuzz_rule
$(out)/fuzz/$(1)_fuzz: $(patsubst %,$(out)/fuzz/user/%.o,tests/fuzz/user/$(1)_fuzz.c $($(1)_fuzz_c) $(user_fuzz_common))
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) -fsanitize=fuzzer,address,undefined $$^ -o $$@
endef
$(foreach f,$(user_fuzzers),$(eval $(call user_fuzz_rule,$(f))))

# New finds go to build/fuzz/found and found_run; the corpus in the tree changes by hand only.
.PHONY: fuzz
fuzz: $(out)/fuzz/decode_fuzz $(out)/fuzz/mutate $(out)/fuzz/compile_fuzz $(out)/fuzz/compile_mutate $(out)/fuzz/run_fuzz fuzz_user
	@mkdir -p $(out)/fuzz/found $(out)/fuzz/found_run $(out)/fuzz/decisions
	$(Q)$(same_addresses) $(out)/fuzz/decode_fuzz $(fuzz_options) -runs=$(FUZZ_DECODE_RUNS) $(out)/fuzz/found $(fuzz_corpus)
	$(Q)$(out)/fuzz/mutate 1 $(FUZZ_MUTATIONS) $(wildcard $(fuzz_corpus)/*)
	$(Q)$(same_addresses) $(out)/fuzz/compile_fuzz $(fuzz_options) -runs=$(FUZZ_COMPILE_RUNS) $(out)/fuzz/found $(fuzz_corpus)
	$(Q)$(out)/fuzz/compile_mutate 1 $(FUZZ_MUTATIONS) $(wildcard $(fuzz_corpus)/*)
	$(Q)tests/fuzz/decisions.py $(out)/fuzz/decisions
	$(Q)$(same_addresses) $(out)/fuzz/run_fuzz $(fuzz_options) -runs=$(FUZZ_RUN_RUNS) -len_control=0 -max_len=6000 \
	    $(out)/fuzz/found_run $(out)/fuzz/decisions

# Each begins with what people write, where there is such.
fuzz_seeds_manifest := user/etc/init.conf
fuzz_seeds_ps2      := $(wildcard user/etc/keymaps/*)
.PHONY: fuzz_user
fuzz_user: $(foreach f,$(user_fuzzers),$(out)/fuzz/$(f)_fuzz)
	$(Q)rm -rf $(out)/fuzz/seeds && mkdir -p $(foreach f,$(user_fuzzers),$(out)/fuzz/found_$(f) $(out)/fuzz/seeds/$(f))
	$(Q)cp $(fuzz_seeds_manifest) $(out)/fuzz/seeds/manifest
	$(Q)cp $(fuzz_seeds_ps2) $(out)/fuzz/seeds/ps2
	$(Q)awk '/^## / { close(file); file = "$(out)/fuzz/seeds/syntax/" $$2; next } file { print >file }' tests/shell/scripts.txt
	$(Q)for f in $(user_fuzzers); do \
	    $(same_addresses) $(out)/fuzz/$${f}_fuzz $(fuzz_options) -runs=$(FUZZ_USER_RUNS) -max_len=2048 \
	        $(out)/fuzz/found_$$f $(out)/fuzz/seeds/$$f || exit 1; done

# The engine against another one, on random modules (tests/oracle/run.py --help).
ORACLE_COUNT ?= 300
ORACLE_SEED  ?= 1
.PHONY: oracle
oracle: $(out)/oracle/oracle
	$(Q)tests/oracle/run.py --count $(ORACLE_COUNT) --binaryen 20 --exceptions 30 --seed $(ORACLE_SEED) $<

oracle_c := $(wildcard tests/oracle/*.c)
$(out)/oracle/oracle: $(patsubst %,$(out)/host/%.o,$(oracle_c)) $(foreach l,tool engine fake base,$(out)/host/lib$(l).a)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@

$(out)/oracle/checked: $(patsubst %,$(out)/unit/obj/%.o,$(oracle_c)) $(foreach l,tool engine fake base,$(out)/unit/lib$(l).a)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=address,undefined $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@

# The protocol between processes: every interleaving of a small case each, by spin. And models that are
# broken in some way, which it must find.
model_cases  := scheme-2-0-1 scheme-1-1-1 grants-2-0-1 grants-1-0-2
model_broken := 1 2 3 4 5 6 7 8
idle_cases   := idle-2-2-0-0 idle-3-2-4-0
idle_broken  := 2-2-0-1 2-2-0-2 2-2-0-3 2-2-0-4 2-2-0-5 2-2-0-7 2-2-0-8
.PHONY: model
model: $(patsubst %,$(out)/model/%.txt,$(model_cases) $(patsubst %,broken-%,$(model_broken)) \
                                        $(idle_cases) $(patsubst %,idle-%,$(idle_broken)))
	@grep -H 'errors:' $^

# $(1): the model; $(2): its parameters.
model_run = $(Q)rm -rf $(@:.txt=) && mkdir -p $(@:.txt=) && cd $(@:.txt=) && spin $(2) -a $(CURDIR)/tests/model/$(1).pml && \
            $(CC) -O2 -w -DSAFETY -DCOLLAPSE pan.c -o pan && ./pan -m2000000 -w24 > $(CURDIR)/$@.made
model_has = $(Q)grep -q 'errors: $(1)$$' $@.made || { cat $@.made; exit 1; }
# What stands between dashes in the case's name.
case_part = $(word $(1),$(subst -, ,$*))

# scheme-C-D-T: C calls of one client, D of another, T threads of each server.
$(out)/model/scheme-%.txt: tests/model/scheme.pml | $(ready)
	$(call say,MODEL,scheme-$*)
	$(call model_run,scheme,-DCALLS=$(call case_part,1) -DOTHERS=$(call case_part,2) -DTHREADS=$(call case_part,3))
	$(call model_has,0)
	$(Q)mv $@.made $@

# grants-C-D-M: C calls of one client, D of another, M mappings by each thread.
$(out)/model/grants-%.txt: tests/model/grants.pml | $(ready)
	$(call say,MODEL,grants-$*)
	$(call model_run,grants,-DCALLS=$(call case_part,1) -DOTHERS=$(call case_part,2) -DMAPS=$(call case_part,3))
	$(call model_has,0)
	$(Q)mv $@.made $@

# idle-C-T-H-B: C CPUs, T threads, H where they ran last, B what is broken.
$(out)/model/idle-%.txt: tests/model/idle.pml | $(ready)
	$(call say,MODEL,idle-$*)
	$(call model_run,idle,-DCPUS=$(call case_part,1) -DTHREADS=$(call case_part,2) -DHOMES=$(call case_part,3) -DBREAK=$(call case_part,4))
	$(call model_has,$(if $(filter 0,$(call case_part,4)),0,1))
	$(Q)mv $@.made $@

$(out)/model/broken-%.txt: tests/model/grants.pml | $(ready)
	$(call say,MODEL,broken-$*)
	$(call model_run,grants,-DCALLS=2 -DOTHERS=0 -DBREAK=$*)
	$(call model_has,1)
	$(Q)mv $@.made $@

# -- Tools -------------------------------------------------------------------------------------------

.PHONY: tools
tools: $(out)/kwast $(out)/wast

# Static, because looking for libraries is a good part of a short run's time.
kwast_c := $(filter-out tools/wast%.c,$(tool_c))
$(out)/kwast: $(patsubst %,$(out)/host/%.o,$(kwast_c)) $(foreach l,tool engine base,$(out)/host/lib$(l).a)
	$(call say,LINK,$@)
	$(Q)$(CC) -static $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@

# Without assertions; finds the hosted kernel of the same kind beside itself.
$(out)/release/kwast: $(patsubst %,$(out)/release/host/%.o,$(kwast_c)) $(foreach l,tool engine base,$(out)/release/host/lib$(l).a)
	$(call say,LINK,$@)
	$(Q)$(CC) -static $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@

# What `kwast wast` becomes: the one command that needs a library.
spec_c := tests/spec/wast_program.c $(call sources,tools/wast*.c)
$(out)/wast: $(patsubst %,$(out)/host/%.o,$(spec_c)) $(foreach l,tool engine fake base,$(out)/host/lib$(l).a)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcjson -o $@

# The console's font: converted, never kept.
console_font := /usr/share/consolefonts/spleen-8x16.psfu.gz
$(out)/gen/font.c: tools/psf2c.py | $(ready)
	$(call say,FONT,$@)
	@mkdir -p $(@D)
	$(Q)python3 tools/psf2c.py $(console_font) $@

# The official scripts are not part of this tree: tools/fetch-spec.sh finds them. They run as built
# for use, under the sanitizers, in the kernel as a Linux process, and in ring 0; with all that the
# CPU has and with less.
# A limit for hangs only.
SPEC_SECONDS := 3600
.PHONY: spec
spec: $(out)/kwast $(out)/wast $(out)/unit/wast spec-machines
	$(Q)if ! suites=$$(tools/fetch-spec.sh); then echo 'spec: SKIPPED, see above'; exit 0; fi; \
	vectors=$$(find -L $$suites -name '*.json' | grep simd); \
	echo 'on the host'; timeout $(SPEC_SECONDS) $(out)/kwast wast $$suites && \
	echo 'on the host, without AVX' && timeout $(SPEC_SECONDS) $(out)/kwast wast --cpu baseline $$suites && \
	echo 'on the host, with AVX and not its successors' && timeout $(SPEC_SECONDS) $(out)/kwast wast --cpu avx $$suites && \
	echo 'on the host, under sanitizers' && timeout $(SPEC_SECONDS) $(out)/unit/wast $$suites && \
	echo 'in the kernel as a Linux process' && timeout $(SPEC_SECONDS) $(out)/kwast wast --machine hosted $$suites && \
	echo 'in ring 0, under QEMU' && timeout $(SPEC_SECONDS) $(out)/kwast wast --machine qemu $$suites && \
	echo 'vectors, in ring 0 on a CPU without AVX' && \
	timeout $(SPEC_SECONDS) $(out)/kwast wast --machine qemu --cpu baseline $$vectors && \
	echo 'vectors, in ring 0 on a CPU without AVX2' && timeout $(SPEC_SECONDS) $(out)/kwast wast --machine qemu --cpu avx $$vectors

$(out)/unit/wast: $(patsubst %,$(out)/unit/obj/%.o,$(spec_c)) $(foreach l,tool engine fake base,$(out)/unit/lib$(l).a)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=address,undefined $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcjson -o $@

# -- Programs ------------------------------------------------------------------------------------------

# WebAssembly for the demonstration (user/programs) and for tests (tests/programs): one source file
# each, C, C++, Rust or text. Compiling and linking are two steps because clang runs wasm-opt, where
# it is installed, after linking with -O: programs must not depend on what else is installed.
wasm_target := --target=wasm32-wasi --sysroot=/usr
wasm_flags := $(wasm_target) -I. -O2 -Wall -Wextra -Werror
# What a program was made of; that a source has moved since is no error.
wasm_deps = -MMD -MP -MF $(@D)/.$(@F).dep -MT $@
wasm_done = echo '$<:' >> $(@D)/.$(@F).dep
wasm_link := $(wasm_target) -Wl,--strip-debug
program_sources := $(foreach e,c cc rs,$(wildcard user/programs/*.$(e)))
test_program_sources := $(foreach e,c cc rs wat,$(wildcard tests/programs/*.$(e) tests/kwast/*.$(e)))
wasi_program_sources := $(foreach e,c wat,$(wildcard tests/wasi/*.$(e)))
thread_program_sources := $(foreach e,c wat,$(wildcard tests/threads/*.$(e)))
program_files = $(addprefix $(out)/programs/,$(addsuffix .wasm,$(basename $(notdir $(1)))))

# The library for programs that use more than WASI. What is linked with it takes what it needs.
sdk_flags := $(wasm_target) -std=c23 -D_GNU_SOURCE -I. -O2 -Wall -Wextra -Werror -MMD -MP
sdk := $(out)/wasm/libsdk.a
$(sdk): $(patsubst %.c,$(out)/wasm/%.o,$(call sources,user/sdk/*.c) base/status.c) Makefile
	$(Q)rm -f $@ && llvm-ar-19 rcs $@ $(filter %.o,$^)

$(out)/wasm/%.o: %.c | $(ready)
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)clang-19 $(sdk_flags) -c $< -o $@

# The console's glyphs, converted like the kernel's, from the format that has more of them; and its
# emulator of a terminal.
screen_font := /usr/share/fonts/X11/misc/spleen-8x16.pcf.gz
$(out)/gen/console_font.c: tools/font2c.py tools/psf2c.py | $(ready)
	$(call say,FONT,$@)
	@mkdir -p $(@D)
	$(Q)python3 tools/font2c.py $(screen_font) $(console_font) $@

$(out)/wasm/gen/%.o: $(out)/gen/%.c
	@mkdir -p $(@D)
	$(Q)clang-19 $(sdk_flags) -c $< -o $@

libvterm := $(out)/ports/libvterm/libvterm.a
$(libvterm): user/ports/libvterm/build.sh tools/fetch-source.sh tools/own_apt.sh | $(ready)
	$(call say,PORT,$@)
	@mkdir -p $(@D)
	$(Q)user/ports/libvterm/build.sh $@

$(out)/wasm/user/services/console/screen.o: private sdk_flags += -I$(out)/ports/libvterm/include
$(out)/wasm/user/services/console/screen.o: $(libvterm)
$(out)/programs/console.wasm: $(out)/wasm/gen/console_font.o $(libvterm)

# Services are folders, and so are larger programs.
folders := $(patsubst %/,%,$(wildcard user/services/*/ user/programs/*/))
folder_files := $(addprefix $(out)/programs/,$(addsuffix .wasm,$(notdir $(folders))))
.PHONY: services
services: $(folder_files)
programs test-programs: $(folder_files)

define folder_rule
$(out)/programs/$(notdir $(1)).wasm: $(patsubst %.c,$(out)/wasm/%.o,$(call sources,$(1)/*.c)) $(sdk)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)clang-19 $(wasm_link) $$^ -o $$@
endef
$(foreach folder,$(folders),$(eval $(call folder_rule,$(folder))))

.PHONY: programs test-programs wasi-programs
programs: $(call program_files,$(program_sources))
test-programs: wasi-programs
test-programs: $(call program_files,$(test_program_sources) $(thread_program_sources)) real-programs
wasi-programs: $(folder_files) $(call program_files,$(wasi_program_sources) tests/kwast/mounted.c)

define program_rules
$(out)/programs/%.wasm: $(1)/%.c $(sdk) | $$(ready)
	$$(call say,WASM,$$<)
	@mkdir -p $$(@D)
	$$(Q)clang-19 $(wasm_flags) $$(wasm_deps) -c $$< -o $$(@D)/.$$(@F).o && $$(wasm_done) && \
	    clang-19 $(wasm_link) $$(@D)/.$$(@F).o $(sdk) -o $$@
$(out)/programs/%.wasm: $(1)/%.cc | $$(ready)
	$$(call say,WASM,$$<)
	@mkdir -p $$(@D)
	$$(Q)clang++-19 $(wasm_flags) -std=c++20 -fno-exceptions $$(wasm_deps) -c $$< -o $$(@D)/.$$(@F).o && $$(wasm_done) && \
	    clang++-19 $(wasm_link) $$(@D)/.$$(@F).o -o $$@
$(out)/programs/%.wasm: $(1)/%.rs | $$(ready)
	$$(call say,WASM,$$<)
	@mkdir -p $$(@D)
	$$(Q)/usr/bin/rustc --target wasm32-wasi -O -C strip=debuginfo --edition 2021 $$< -o $$@
$(out)/programs/%.wasm: $(1)/%.wat | $$(ready)
	$$(call say,WASM,$$<)
	@mkdir -p $$(@D)
	$$(Q)wat2wasm --debug-names $$< -o $$@
endef
$(eval $(call program_rules,user/programs))
$(eval $(call program_rules,tests/programs))
$(eval $(call program_rules,tests/kwast))
$(eval $(call program_rules,tests/wasi))

# Programs with threads import their memory; no library, for Debian's is not made for that.
thread_flags := -std=c23 -matomics -mbulk-memory -fno-builtin
thread_link := $(wasm_link) -nostdlib -Wl,--import-memory,--shared-memory,--max-memory=33554432
$(out)/programs/%.wasm: tests/threads/%.c | $(ready)
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)clang-19 $(wasm_flags) $(thread_flags) $(wasm_deps) -c $< -o $(@D)/.$(@F).o && $(wasm_done) && \
	    clang-19 $(thread_link) $(@D)/.$(@F).o -o $@
$(out)/programs/%.wasm: tests/threads/%.wat | $(ready)
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)wat2wasm --debug-names --enable-threads $< -o $@

posix_files := $(wildcard $(addprefix user/ports/posix/,*.c *.h *.sh include/*.h include/*/*.h))

# Larger programs from Debian's sources, for tests. Where no source can be had they are left out, and
# the tests say so.
real_programs := jq minigzip sqlite3
.PHONY: real-programs
real-programs: $(addprefix $(out)/programs/,$(addsuffix .wasm,$(real_programs)))

$(addprefix $(out)/programs/,$(addsuffix .wasm,$(real_programs))): $(out)/programs/%.wasm: \
    tests/programs/real/build.sh tests/programs/real/posix.c tests/programs/real/posix.h tools/fetch-source.sh tools/own_apt.sh | $(ready)
	$(call say,REAL,$*)
	@mkdir -p $(@D)
	$(Q)tests/programs/real/build.sh $* $@

# The test of what ports are built upon.
$(out)/programs/posix.wasm: tests/ports/build.sh tests/ports/posix.c $(posix_files) $(sdk) | $(ready)
	$(call say,PORT,$@)
	@mkdir -p $(@D)
	$(Q)tests/ports/build.sh $@ $(sdk)

# -- The machine -------------------------------------------------------------------------------------

# The system: the archive that `make run` and the ISO start with, as a folder and as a tar. Utilities
# are names of one module.
system_programs := $(folder_files) $(call program_files,$(program_sources)) $(out)/programs/busybox.wasm
$(out)/programs/busybox.wasm: user/ports/busybox/build.sh user/ports/busybox/config \
    user/ports/busybox/sources.py $(posix_files) tools/fetch-source.sh tools/own_apt.sh $(sdk) | $(ready)
	$(call say,PORT,$@)
	@mkdir -p $(@D)
	$(Q)user/ports/busybox/build.sh $@ $(sdk)

.PHONY: system
system: $(out)/system.tar

$(out)/system.tar: $(system_programs) $(wildcard user/etc/* user/etc/*/*) tools/make_system.sh
	$(call say,TAR,$@)
	$(Q)tools/make_system.sh $(out)/system $@ $(system_programs)

.PHONY: iso
iso: $(out)/kwast.iso

$(out)/kwast.iso: $(out)/kernel.elf $(out)/system.tar tools/mkiso.sh | deps-run
	$(call say,ISO,$@)
	$(Q)tools/mkiso.sh $(out)/kernel.elf $(out)/system.tar $@

.PHONY: run
run: $(out)/kwast.iso | deps-run
	$(Q)HOST='$(HOST)' DISK='$(DISK)' tools/run_iso.sh $< $(QEMU_OPTIONS)

# The pictures in the README and the docs.
.PHONY: pictures
pictures: $(out)/kwast.iso
	$(Q)tools/screenshot.py docs/pictures

# -- Hygiene -------------------------------------------------------------------------------------------

own_code = $(shell git ls-files -- '*.c' '*.h')

.PHONY: format
format:
	$(Q)clang-format-19 -i $(own_code)

.PHONY: format-check
format-check:
	$(call say,FORMAT,)
	$(Q)clang-format-19 --dry-run --Werror $(own_code)

.PHONY: layers
layers:
	$(call say,LAYERS,)
	$(Q)python3 tools/tidy.py

lint_c := $(base_c) $(engine_c) $(kernel_c) $(arch_c)
.PHONY: lint
lint:
	$(call say,LINT,)
	$(Q)tools/lint.py --flags='$(filter-out -MMD -MP -DARCH_INLINE%,$(kernel_flags))' $(lint_c)

.PHONY: tidy
tidy: format-check layers lint

.PHONY: clean
clean:
	rm -rf $(out)

-include $(shell find $(out)/host $(out)/unit $(out)/checked $(out)/fuzz $(out)/tsan $(out)/raced $(out)/wasm $(out)/debug $(out)/release -name "*.d" 2>/dev/null)
-include $(wildcard $(out)/programs/.*.dep)
