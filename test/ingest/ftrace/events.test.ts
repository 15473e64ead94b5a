import { describe, expect, test } from "vitest";
import type { CallResult } from "../../../src/event/event.js";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { asProbe, asSyscall, onlyEvent, runImporter } from "../run-importer.js";

const COLUMNS = "      a b-c: d=1-129     [000] .....     2.701736: ";
/** The same columns as perf script prints them. */
const PERF = "       CPU 0/KVM   511 [001]    46.834119:             ";

const eventOf = (body: string, columns = COLUMNS) => onlyEvent(ftraceImporter, `${columns}${body}\n`);

describe("probe lines", () => {
  const probes: readonly (readonly [body: string, name: string, fields: Record<string, string>])[] = [
    [
      "pqap_entry: vcpu=0 gr0=0x3000504 gr1=0x0000800000000003 gr2=0x200000 pstate=0",
      "pqap_entry",
      { vcpu: "0", gr0: "0x3000504", gr1: "0x0000800000000003", gr2: "0x200000", pstate: "0" },
    ],
    [
      "ap:pin_pages: (vfio_pin_pages+0x0/0x2f0) iova=0x1000 npage=1 rc=-14",
      "pin_pages",
      { iova: "0x1000", npage: "1", rc: "-14" },
    ],
    ["vfio_ap:ap:e: a=1", "e", { a: "1" }],
    [
      "vm_enable_cap: (kvm_vm_ioctl+0xc/0x1090 [kvm]) cmd=0x8068aea3 cap=194 flags=0",
      "vm_enable_cap",
      { cmd: "0x8068aea3", cap: "194", flags: "0" },
    ],
    [
      "r_kvmhv_enable_dawr1: (kvm_vm_ioctl_enable_cap+0x88/0x260 [kvm] <- kvmhv_enable_dawr1) rc=0",
      "r_kvmhv_enable_dawr1",
      { rc: "0" },
    ],
    ["sys_open_ret: (ffffffff81363fa0 <- ffffffff8136469a) rc=3", "sys_open_ret", { rc: "3" }],
    [
      "sysfs_store:             __probe_ip=4db140 iocb=0x38000993dd8",
      "sysfs_store",
      { __probe_ip: "4db140", iocb: "0x38000993dd8" },
    ],
    [
      'ksm_store: (sleep_millisecs_store+0x0/0x80) kobj=0x1 buf="20" count=3 b0={0x32,0x30,0xa,0x0}',
      "ksm_store",
      { kobj: "0x1", buf: '"20"', count: "3", b0: "{0x32,0x30,0xa,0x0}" },
    ],
    // Quotes inside a string are not escaped; an unreadable string has none; a string may look like fields.
    ['sys_open: name="a "quoted" b" flags=0x1', "sys_open", { name: '"a "quoted" b"', flags: "0x1" }],
    ["sys_open: name=(fault) flags=0x1", "sys_open", { name: "(fault)", flags: "0x1" }],
    ['sys_open: name="never closed', "sys_open", { name: '"never closed' }],
    // perf script prints ip and symbol behind the fields.
    [
      'sys_open_ret: (ffff <- eeee) rc=42 comm="a b" ffffffff8136469a __x64_sys_openat',
      "sys_open_ret",
      { rc: "42", comm: '"a b"' },
    ],
    ["apcb_clear: kvm=0x00000000814c0000", "apcb_clear", { kvm: "0x00000000814c0000" }],
    ["pseries_big_endian_exceptions:", "pseries_big_endian_exceptions", {}],
    ["pseries_big_endian_exceptions: (pseries_big_endian_exceptions+0x8/0x60)", "pseries_big_endian_exceptions", {}],
    // `data` takes the rest of the line.
    [
      "ioctl_in: fd=7 cmd=0x3b6e truncated=64 data=10 00 00 00 ff",
      "ioctl_in",
      { fd: "7", cmd: "0x3b6e", truncated: "64", data: "10 00 00 00 ff" },
    ],
    ["ioctl_out: cmd=0x3b6e rc=0 data=10000000 ", "ioctl_out", { cmd: "0x3b6e", rc: "0", data: "10000000" }],
    ["ioctl_out: cmd=0x3b6f rc=-22", "ioctl_out", { cmd: "0x3b6f", rc: "-22" }],
    ["ioctl_in: cmd=0x3b6e data=", "ioctl_in", { cmd: "0x3b6e", data: "" }],
  ];
  test.each(probes)("%s", (body, name, fields) => {
    for (const columns of [COLUMNS, PERF]) {
      const event = asProbe(eventOf(body, columns));
      expect(event.name).toBe(name);
      expect(event.fields).toEqual(Object.entries(fields).flat());
    }
  });
});

describe("stock tracepoints (b.6, b.7)", () => {
  const points: readonly (readonly [body: string, fields: Record<string, string>])[] = [
    [
      "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x2,0xc000000000001234,0x57",
      { vcpu: "0", hcall: "H_SET_MODE", gpr4: "0x0", gpr5: "0x2", gpr6: "0xc000000000001234", gpr7: "0x57" },
    ],
    ["kvm_hcall_exit: VCPU 12: ret=RESUME_GUEST hcall_rc=H_P2", { vcpu: "12", ret: "RESUME_GUEST", hcall_rc: "H_P2" }],
    ["kvm_guest_enter: VCPU 0: pc=0x100 pexcp=0x0 ceded=0", { vcpu: "0", pc: "0x100", pexcp: "0x0", ceded: "0" }],
    [
      "kvm_guest_exit: VCPU 0: trap=HV_EMUL_ASSIST pc=0xc00 msr=0x8000000000001033, ceded=0",
      { vcpu: "0", trap: "HV_EMUL_ASSIST", pc: "0xc00", msr: "0x8000000000001033", ceded: "0" },
    ],
    ["kvmppc_run_core: Enter runner_vcpu==1 runnable=2 tgid=3", { runner_vcpu: "1", runnable: "2", tgid: "3" }],
    ["hcall_entry: opcode=796", { opcode: "796" }],
    ["hcall_exit: opcode=796 retval=-55", { opcode: "796", retval: "-55" }],
    ["kvm_userspace_exit: reason KVM_EXIT_PAPR_HCALL (19)", { reason: "KVM_EXIT_PAPR_HCALL", number: "19" }],
    ["kvm_userspace_exit: reason restart (4)", { reason: "restart", number: "4" }],
    [
      "kvm_s390_intercept_instruction: 01[0404c00180000000-00000000001a2b3c]: intercepted instruction b2af000000000000 (0xb2af)",
      {
        vcpu: "01",
        mask: "0404c00180000000",
        addr: "00000000001a2b3c",
        instruction: "b2af000000000000",
        name: "0xb2af",
      },
    ],
    [
      "kvm_s390_intercept_instruction: 00[0404c00180000000-00000000001a2b3c]: intercepted instruction b2af000000000000 (PQAP)",
      { vcpu: "00", mask: "0404c00180000000", addr: "00000000001a2b3c", instruction: "b2af000000000000", name: "PQAP" },
    ],
    [
      "kvm_s390_sie_enter: 00[0404c00180000000-00000000001a2b3c]: entering sie flags 0",
      { vcpu: "00", mask: "0404c00180000000", addr: "00000000001a2b3c" },
    ],
    ["irq_handler_entry: irq=33 name=virtio0 input.0", { irq: "33", name: "virtio0 input.0" }],
    [
      "map:                  IOMMU: iova=0x0000000000000000 - 0x0000000000002000 paddr=0x0000000008efa000 size=8192",
      { iova: "0x0000000000000000", paddr: "0x0000000008efa000", size: "8192" },
    ],
    [
      "sched_switch: prev_comm=sh prev_pid=1 prev_state=R ==> next_comm=sh next_pid=2",
      { prev_comm: "sh", prev_pid: "1", prev_state: "R", next_comm: "sh", next_pid: "2" },
    ],
  ];
  test.each(points)("%s", (body, fields) => {
    const event = asProbe(eventOf(body));
    expect(event.name).toBe(body.slice(0, body.indexOf(":")));
    expect(event.fields).toEqual(Object.entries(fields).flat());
  });
});

describe("system calls", () => {
  const enters: readonly (readonly [body: string, name: string, args: readonly string[]])[] = [
    ["sys_ioctl(fd: 5, cmd: ae03, arg: 46)", "ioctl", ["0x5", "0xae03", "0x46"]],
    ["sys_ioctl(fd: 0, cmd: 0x5401, arg: 0x7ffff47fb730)", "ioctl", ["0x0", "0x5401", "0x7ffff47fb730"]],
    ["sys_ioctl(fd: 7, cmd: ffffffff8010aeab, arg: 7fff0000)", "ioctl", ["0x7", "0xffffffff8010aeab", "0x7fff0000"]],
    ["sys_getpid()", "getpid", []],
    [
      'sys_openat(dfd: ffffff9c, filename: 0x7f12 "/dev/x, y", flags: 2)',
      "openat",
      ["0xffffff9c", '"/dev/x, y"', "0x2"],
    ],
    ["sys_enter_ioctl: fd: 0x00000005, cmd: 0x0000ae03, arg: 0x00000046", "ioctl", ["0x5", "0xae03", "0x46"]],
    ["syscalls:sys_enter_ioctl: fd: 0x00000000, cmd: 0x00005401, arg: 0x7ffd", "ioctl", ["0x0", "0x5401", "0x7ffd"]],
    ["sys_enter_getpid:", "getpid", []],
    ["sys_enter: NR 54 (6, 8068aea3, 7fffc0)", "syscall_54", ["0x6", "0x8068aea3", "0x7fffc0"]],
    ["raw_syscalls:sys_enter: NR 10 (0, ffffffff)", "syscall_10", ["0x0", "0xffffffff"]],
  ];
  test.each(enters)("entry: %s", (body, name, args) => {
    const event = asSyscall(eventOf(body));
    expect(event).toMatchObject({ phase: "enter", name, result: undefined, tid: 129, comm: "a b-c: d=1" });
    expect(event.args).toEqual(args);
  });

  const value = (text: string): CallResult => ({ kind: "value", text, decoration: undefined });
  const error = (errno: string): CallResult => ({ kind: "error", errno });
  const exits: readonly (readonly [body: string, name: string, result: CallResult])[] = [
    ["sys_ioctl -> 0x0", "ioctl", value("0x0")],
    ["sys_ioctl -> 0xffffffffffffffe7", "ioctl", error("ENOTTY")],
    ["sys_ioctl -> 0xffffffffffffffed", "ioctl", error("ENODEV")],
    ["sys_ioctl -> 0xffffffe7", "ioctl", error("ENOTTY")],
    // A positive errno of powerpc's `sc`: what it means is not to be seen here (FMT-2).
    ["sys_ioctl -> 0x16", "ioctl", value("0x16")],
    ["sys_exit_ioctl:       0xfffffffffffffff0", "ioctl", error("EBUSY")],
    ["syscalls:sys_exit_ioctl: 0x7", "ioctl", value("0x7")],
    ["sys_exit: NR 54 = 0", "syscall_54", value("0")],
    ["raw_syscalls:sys_exit: NR 54 = -25", "syscall_54", error("ENOTTY")],
    ["sys_exit: NR 54 = -4095", "syscall_54", error("4095")],
    // Beyond -4095 and exactly at the border of the two's complement: addresses, no errors.
    ["sys_exit: NR 9 = -4096", "syscall_9", value("-4096")],
    ["sys_mmap -> 0xfffffffffffff000", "mmap", value("0xfffffffffffff000")],
    ["sys_mmap -> 0xfffffffffffff001", "mmap", error("4095")],
    ["sys_brk -> 0x7fffffffffffffff", "brk", value("0x7fffffffffffffff")],
    ["sys_write -> 0xfffffffffffffe00", "write", { kind: "unknown", reason: "ERESTARTSYS" }],
    ["sys_exit: NR 4 = -516", "syscall_4", { kind: "unknown", reason: "ERESTART_RESTARTBLOCK" }],
  ];
  test.each(exits)("return: %s", (body, name, result) => {
    expect(asSyscall(eventOf(body))).toMatchObject({ phase: "exit", name, args: [], result });
  });

  const sh = (tid: number, body: string) => `              sh-${tid}     [000] .....     2.701736: ${body}\n`;

  test("a return has the arguments of its task's entry", () => {
    const { events } = runImporter(
      ftraceImporter,
      sh(1, "sys_ioctl(fd: 5, cmd: ae03, arg: 46)") +
        sh(2, "sys_close(fd: 9)") +
        sh(1, "sys_ioctl -> 0x1") +
        sh(2, "sys_close -> 0x0") +
        sh(1, "sys_ioctl -> 0x1"),
    );
    expect(events.map((event) => asSyscall(event).args)).toEqual([
      ["0x5", "0xae03", "0x46"],
      ["0x9"],
      ["0x5", "0xae03", "0x46"],
      ["0x9"],
      [],
    ]);
  });

  test("a return of another call than the one entered, or after a loss, has none", () => {
    const { events } = runImporter(
      ftraceImporter,
      `${sh(1, "sys_close(fd: 9)")}${sh(1, "sys_dup -> 0x1")}${sh(2, "sys_close(fd: 9)")}CPU:3 [LOST 2 EVENTS]\n${sh(2, "sys_close -> 0x0")}`,
    );
    const returns = events.filter((event) => event.kind === "syscall" && event.phase === "exit");
    expect(returns.map((event) => asSyscall(event).args)).toEqual([[], []]);
  });

  test.each(["sys_enter_ioctl: something else", "sys_exit_ioctl: (caller+0x1 <- f) rc=1", "sys_exit: code=4"])(
    "a dynamic probe of such a name is a probe: %s",
    (body) => {
      expect(eventOf(body).kind).toBe("probe");
    },
  );
});

describe("markers and records without an event", () => {
  test.each([
    ["tracing_mark_write: sync-one two", "sync-one two"],
    ["tracing_mark_write: ", ""],
    ["print:                exit_mm_release: sync: one", "sync: one"],
    ["print:                c000000000123456: sync-one", "sync-one"],
  ])("%s", (body, message) => {
    expect(eventOf(body)).toMatchObject({ kind: "mark", message, tid: 129 });
  });

  test.each([
    "vfs_write <-ksys_write",
    "function:             eventfd_write <-- vfs_write",
    "funcgraph_entry:        4.406 us   |      f();",
    "funcgraph_exit: ! 103.384 us |  }",
    "kernel_stack:         ",
    "<stack trace>",
    "# 265962 marker",
    "PERF_RECORD_SWITCH",
    "PERF_RECORD_FORK(127:127):(126:126)",
    "PERF_RECORD_COMM exec: perf:126/126",
  ])("no event: %s", (body) => {
    const { events, context, unparsed } = runImporter(ftraceImporter, `${COLUMNS}${body}\n`);
    expect({ events: events.length, context, unparsed }).toEqual({ events: 0, context: 1, unparsed: 0 });
  });
});
