#include "base/fmt.h"
#include "kernel/arch/arch.h"
static void say(const char *t){ arch_console_write(t, strlen(t)); }
void kernel_main(const struct boot_info *boot){ (void)boot; char b[300];
 fmt_string(b,sizeof b,"hello %s %s '%s' ram %llu free %u clock %llu\n",boot->machine,boot->boot_loader,boot->command_line,(unsigned long long)boot->ram_bytes,boot->free_count,(unsigned long long)arch_clock_ns()); say(b);
 for(u32 i=0;i<boot->free_count;i++){fmt_string(b,sizeof b,"  %llx %llx\n",(unsigned long long)boot->free[i].start.value,(unsigned long long)boot->free[i].bytes);say(b);}
 fmt_string(b,sizeof b,"wall %llu\n",(unsigned long long)arch_wall_offset_ns()); say(b);
 arch_backtrace_print(arch_frame_address());
 arch_power_off(0);}
bool upcall_frame_alloc(struct phys_addr*o){(void)o;return false;}
bool upcall_frames_alloc(u32 n,struct phys_addr*o){(void)n;(void)o;return false;}
void upcall_frame_free(struct phys_addr f){(void)f;}
struct fault_result upcall_fault(const struct fault*f){(void)f;return (struct fault_result){.action=FAULT_BUG};}
void upcall_timer(void){}
void upcall_link(void){}
void upcall_console(void){}
u64 upcall_interrupt_return(u64 pc,u64 fp){(void)fp;return pc;}
bool upcall_wants_reschedule(u64 pc){(void)pc;return false;}
void upcall_panic(const char*w){say(w);say("\n");arch_backtrace_print(arch_frame_address());arch_power_off(1);}
void upcall_log(const char*t){say(t);say("\n");}
void assert_failed(const char*f,int l,const char*w){char b[200];fmt_string(b,sizeof b,"%s:%d: %s",f,l,w);upcall_panic(b);}
