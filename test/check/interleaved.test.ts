import { expect, test } from "vitest";
import { check } from "../../src/check/check.js";

/** Example 20, row 12: the intercepted instructions of two guests, one of which waits for the driver's mutex (AQIC-2). */

const KVM = { 101: "0x80010000", 102: "0x80020000" } as const;
type Task = keyof typeof KVM;

const line = (task: Task, micros: number, event: string): string =>
  ` CPU 0/KVM-${task}     [00${task - 101}] .....  100.${String(micros).padStart(6, "0")}: ${event}`;

const entry = (task: Task, at: number, gr0: string): string =>
  line(task, at, `pqap_entry: vcpu=0 gr0=${gr0} gr1=0x0000800000000003 gr2=0x12345040 pstate=0`);
const pin = (task: Task, at: number): string => line(task, at, "pin_pages: iova=0x12345040 npage=1 rc=1");
const register = (task: Task, at: number): string => line(task, at, `gisc_register: kvm=${KVM[task]} gisc=3 rc=5`);
const exit = (task: Task, at: number): string => line(task, at, "pqap_exit: vcpu=0 rc=0 gr1=0x80000000 cc=0");

async function verdict(...lines: readonly string[]): Promise<string> {
  const bytes = (async function* () {
    yield Buffer.from(`# tracer: nop\n#\n${lines.join("\n")}\n`);
  })();
  const { captures } = await check([{ name: "trace.txt", bytes }]);
  const [capture] = captures;
  const rules = capture?.divergences.flatMap((divergence) => divergence.rules) ?? [];
  return `${capture?.verdict} ${rules.join(" ")}`.trim();
}

const Q1 = "0x03000405";
const Q2 = "0x03000506";

test("the lines of the second follow those of the first", async () => {
  const waits = [pin(101, 12), register(101, 13), pin(102, 14), exit(101, 15), register(102, 16), exit(102, 17)];
  expect(await verdict(entry(101, 10, Q1), entry(102, 11, Q2), ...waits)).toBe("conform");
});

test("a line of the second stands among those of the first", async () => {
  const mixed = [pin(101, 12), pin(102, 13), register(101, 14), register(102, 15), exit(101, 16), exit(102, 17)];
  expect(await verdict(entry(101, 10, Q1), entry(102, 11, Q2), ...mixed)).toBe("divergent AQIC-2");
  const within = [pin(101, 12), pin(102, 13), register(102, 14), exit(102, 15), register(101, 16), exit(101, 17)];
  expect(await verdict(entry(101, 10, Q1), entry(102, 11, Q2), ...within)).toBe("divergent AQIC-2");
});

test("lines of one moment have no order", async () => {
  const same = [pin(101, 12), pin(102, 12), register(101, 12), register(102, 13), exit(101, 16), exit(102, 17)];
  expect(await verdict(entry(101, 10, Q1), entry(102, 11, Q2), ...same)).toBe("conform");
});

test("where lines were lost, those that are left may be of another instruction", async () => {
  const lost = [pin(101, 12), "CPU:1 [LOST 3 EVENTS]", pin(102, 13), register(101, 14), register(102, 15)];
  expect(await verdict(entry(101, 10, Q1), entry(102, 11, Q2), ...lost, exit(101, 16), exit(102, 17))).toBe("conform");
});
