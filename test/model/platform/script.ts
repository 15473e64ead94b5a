/** What a call came back with: a value, an errno name, `=?` for a call that did not return. */
export type Result = number | string;

interface Step {
  readonly line: number;
  readonly head: string;
  readonly result: Result;
}

const VFIO: Readonly<Record<string, number>> = {
  GET_API_VERSION: 0x3b64,
  CHECK_EXTENSION: 0x3b65,
  SET_IOMMU: 0x3b66,
  GROUP_GET_STATUS: 0x3b67,
  GROUP_SET_CONTAINER: 0x3b68,
  GROUP_UNSET_CONTAINER: 0x3b69,
  GROUP_GET_DEVICE_FD: 0x3b6a,
  DEVICE_GET_INFO: 0x3b6b,
  DEVICE_GET_REGION_INFO: 0x3b6c,
  DEVICE_GET_IRQ_INFO: 0x3b6d,
  DEVICE_SET_IRQS: 0x3b6e,
  DEVICE_RESET: 0x3b6f,
  DEVICE_GET_PCI_HOT_RESET_INFO: 0x3b70,
  DEVICE_FEATURE: 0x3b75,
};

/** Little-endian words of 32 bits, as hex digits. */
export function words(...values: readonly number[]): string {
  return values
    .map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value >>> 0);
      return bytes.toString("hex");
    })
    .join("");
}

export interface Structure {
  /** The bytes before the call, as hex digits; undefined for a pointer to nothing. */
  readonly before: string | undefined;
  /** The bytes after it; as before where absent. */
  readonly after?: string;
  /** Bytes that are mapped, where that is not the length of `before`. */
  readonly readOnly?: boolean;
}

/** Writes a recording as strace prints one: calls with their results, argument notes around ioctls. */
export class Script {
  readonly lines: string[] = [];
  readonly steps: Step[] = [];
  private seq = 0;
  private time = 0;

  private push(text: string): void {
    this.time++;
    this.lines.push(`77    1795158265.${String(this.time).padStart(6, "0")} ${text}`);
  }

  private note(text: string): void {
    this.push(`write(200</tmp/vfio-notes>, "vfio-note ${text}\\n", ${text.length + 11}) = ${text.length + 11}`);
  }

  /** A call whose result the specification fixes. */
  call(head: string, result: Result): this {
    this.push(`${head} = ${resultText(result)}`);
    this.steps.push({ line: this.lines.length, head, result });
    return this;
  }

  /** A call whose result is not looked at. */
  free(text: string): this {
    this.push(text);
    return this;
  }

  hardware(text: string): this {
    this.note(`hw ${text}`);
    return this;
  }

  ioctl(fd: string, request: string, structure: Structure | number, result: Result): this {
    const command = VFIO[request] ?? Number(request);
    const name = VFIO[request] === undefined ? request : `VFIO_${request}`;
    if (typeof structure === "number") {
      return this.call(`ioctl(${fd}, ${name}, ${structure === 0 ? "0" : `0x${structure.toString(16)}`})`, result);
    }
    this.seq++;
    const { before, after = before, readOnly } = structure;
    const size = (hex: string): string => `len=${hex.length / 2}${readOnly === true ? " prot=ro" : ""} hex=${hex}`;
    const input = before === undefined ? "ptr=bad" : size(before);
    this.note(`in seq=${this.seq} fd=${Number.parseInt(fd, 10)} cmd=0x${command.toString(16)} ${input}`);
    this.call(`ioctl(${fd}, ${name}, 0xffffee3c2240)`, result);
    this.note(`out seq=${this.seq} ret=0 errno=0${after === undefined ? "" : ` len=${after.length / 2} hex=${after}`}`);
    return this;
  }

  /** SET_IRQS with eventfds or words as data; argsz exact. */
  set(
    flags: number,
    index: number,
    start: number,
    count: number,
    data: readonly number[] | string,
    result: Result,
  ): this {
    const hex = typeof data === "string" ? data : words(...data);
    const before = words(20 + hex.length / 2, flags, index, start, count) + hex;
    return this.ioctl(DEVICE, "DEVICE_SET_IRQS", { before }, result);
  }

  irqInfo(index: number, argsz: number, flags: number, count: number): this {
    const before = words(argsz, 0xa5a5a5a5, index, 0xa5a5a5a5);
    return this.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after: words(argsz, flags, index, count) }, 0);
  }

  eventfd(fd: number, flags = "EFD_CLOEXEC|EFD_NONBLOCK"): this {
    return this.free(`eventfd2(0, ${flags}) = ${fd}<anon_inode:[eventfd]>`);
  }

  /** A read that finds this value; 0: nothing. */
  read(fd: number, value: number): this {
    const file = `${fd}<anon_inode:[eventfd]>`;
    return value === 0
      ? this.call(`read(${file}, 0xffffee3c2240, 8)`, "EAGAIN")
      : this.call(`read(${file}, "\\${value.toString(8)}\\0\\0\\0\\0\\0\\0\\0", 8)`, 8);
  }

  write(fd: number, value: number): this {
    return this.call(`write(${fd}<anon_inode:[eventfd]>, "\\${value.toString(8)}\\0\\0\\0\\0\\0\\0\\0", 8)`, 8);
  }

  close(fd: string): this {
    return this.free(`close(${fd}) = 0`);
  }

  /** The line of a step that reads an eventfd with other values: one more, one less, none. */
  readsOtherwise(step: Step): readonly string[] {
    const line = this.lines[step.line - 1] ?? "";
    const match = /^(.* read\(\d+<anon_inode:\[eventfd\]>, )(?:"\\(\d+)[^"]*"|0x[0-9a-f]+), 8\)/.exec(line);
    if (match === null) return [];
    const [, head = "", octal] = match;
    const value = octal === undefined ? 0 : Number.parseInt(octal, 8);
    return [value - 1, value + 1].flatMap((other) => {
      if (other < 0) return [];
      if (other === 0) return [`${head}0xffffee3c2240, 8) = ${resultText("EAGAIN")}`];
      return [`${head}"\\${other.toString(8)}\\0\\0\\0\\0\\0\\0\\0", 8) = 8`];
    });
  }

  /** The recording with another result of one step. */
  with(step: Step, result: Result): readonly string[] {
    const lines = [...this.lines];
    const line = lines[step.line - 1] ?? "";
    lines[step.line - 1] = `${line.slice(0, line.length - resultText(step.result).length)}${resultText(result)}`;
    return lines;
  }
}

function resultText(result: Result): string {
  return typeof result === "number" ? String(result) : `-1 ${result} (as the errno says)`;
}

export const CONTAINER = "3</dev/vfio/vfio>";
export const GROUP = "4</dev/vfio/noiommu-0>";
export const DEVICE = "5<anon_inode:[vfio-device]>";
/** `d.test` and its final zero. */
export const NAME = Buffer.from("d.test\0").toString("hex");

/** A script in which device D is open as 5 and eventfds 6, 7 and 8 exist. */
export function opened(): Script {
  return new Script()
    .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
    .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
    .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
    .ioctl(CONTAINER, "SET_IOMMU", 8, 0)
    .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, 5)
    .eventfd(6)
    .eventfd(7)
    .eventfd(8);
}
