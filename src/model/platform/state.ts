import { Journal } from "../core/journal.js";
import { type Known, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { PlatformParameters } from "./profile.js";

/** Counters of eventfds end here (2.7). */
export const COUNTER_MAX = 2n ** 64n - 1n;

/** An eventfd object. What is known of its counter is a range: signals that nobody recorded widen it. */
export class Eventfd {
  readonly id: number;
  readonly name: string;
  min = 0n;
  max = COUNTER_MAX;
  semaphore: Known<boolean> = unknown;
  /** What may signal or read it beside the recorded calls; undefined: nothing does. */
  exposed: string | undefined = undefined;
  /** Has a descriptor. */
  open = true;

  constructor(id: number, name: string) {
    this.id = id;
    this.name = name;
  }
}

/** A slot of a line that holds an eventfd, or nothing. */
export type Slot = Known<Eventfd | null>;

/** A wired line of an open device (1.2). */
export class Line {
  readonly index: number;
  flags: Known<number> = unknown;
  /** Errno of the request at first open (VSET-7), 0 where it succeeded. */
  err: Known<string | 0> = unknown;
  /** Errno of the request when it is armed (VSET-10, v2). */
  requestError: Known<string | 0> = unknown;
  masked: Known<boolean> = false;
  trigger: Slot = null;
  maskFd: Slot = null;
  unmaskFd: Slot = null;
  /** Places in the order of all installs: of several actions on one eventfd the newest runs first (VMASK-7). */
  maskOrder = 0;
  unmaskOrder = 0;
  /** The program tells what it makes the line do (3.3): nothing else changes it. */
  noted = false;
  asserted: Known<boolean> = false;
  /** An edge came while nothing was armed (5.2). */
  pendingEdge = false;
  /** v2: unmasked while masked without trigger: disable counting is upset (5.2). */
  upset = false;
  /** v2: the storm protection may have shut the line off. */
  shutOff = false;

  constructor(index: number) {
    this.index = index;
  }
}

/** One allocated vector of the MSI block. */
export class Vector {
  readonly index: number;
  trigger: Slot = null;
  /** The message that the last query showed, as hex; undefined where none did since it was armed. */
  message: string | undefined = undefined;

  constructor(index: number) {
    this.index = index;
  }
}

/** The MSI block of an open device (1.2). */
export class MsiBlock {
  configured: Known<boolean> = false;
  /** The allocated vectors; undefined where not even their number is known. */
  vectors: readonly Vector[] | undefined = [];
  /** The program tells which messages it sends (3.3): no others come. */
  noted = false;
  /** VMSI-13: what the driver's pointer to its table is. */
  table: Known<"null" | "live" | "stale"> = "null";
}

export interface Region {
  readonly size: number;
  readonly flags: number;
}

/** Every index is below. */
const NO_INDEX = 2 ** 32;

/** A device: what it is (facts, or learned), and its state while it is open. */
export class Device {
  readonly key: string;
  readonly name: string | undefined;
  /** Whether it is a platform device at all; other drivers answer otherwise. */
  platform: Known<boolean> = unknown;
  bus: Known<"platform" | "amba"> = unknown;
  hasReset: Known<boolean> = unknown;
  /** Errno of the reset function, 0 for success. */
  resetResult: Known<string | 0> = unknown;
  numRegions: Known<number> = unknown;
  readonly regions = new Map<number, Known<Region>>();
  /** The lowest indexes that were seen not to exist, of regions and of interrupts. */
  noRegion = NO_INDEX;
  noIrq = NO_INDEX;
  /** How many lines there are before the MSI block, where there may be one. */
  wired: Known<number> = unknown;
  numIrqs: Known<number> = unknown;
  hasMsi: Known<boolean> = unknown;
  /** Count of the MSI index: constant (1.2). */
  msiCount: Known<number> = unknown;
  msiAvailable: Known<number> = unknown;
  group: string | undefined = undefined;
  /** Open file objects; unknown where some may be older than the recording. */
  openCount: Known<number> = 0;
  readonly lines = new Map<number, Line>();
  /** Something of unknown index was set: lines that were not met yet are not as they begin. */
  linesUnknown = false;
  readonly msi = new MsiBlock();
  /** What happened to it is undefined for the kernel: it is not judged any more (5.3). */
  undefinedBy: Rule | undefined = undefined;
  undefinedWhat = "";
  /** Driver that has it; unknown until a bind tells. */
  boundTo: Known<string | null> = unknown;
  driverOverride: Known<string> = unknown;

  constructor(key: string, name: string | undefined) {
    this.key = key;
    this.name = name;
  }
}

/** A container: one open of /dev/vfio/vfio. */
export class Container {
  readonly id: number;
  groups: Known<number> = 0;
  /** Has no descriptor any more; groups may still be in it. */
  closed = false;
  /** Type of its IOMMU (8 is no-IOMMU); null: not set. */
  iommu: Known<number | null> = null;

  constructor(id: number) {
    this.id = id;
  }
}

export class Group {
  readonly name: string;
  readonly noiommu: boolean;
  /** Its file is open, or kept by an open device. */
  opened: Known<boolean> = unknown;
  /** The process that opened it. */
  process = -1;
  /** Its descriptors are all closed; devices may still keep it. */
  released = false;
  /** Its open devices; unknown where it was open before the recording. */
  devices: Known<number> = unknown;
  container: Known<Container | null> = unknown;

  constructor(name: string) {
    this.name = name;
    this.noiommu = name.startsWith("noiommu-");
  }
}

/** A device descriptor, and the device that it stands for. */
export class DeviceFile {
  readonly id: number;
  readonly device: Device;
  closed = false;

  constructor(id: number, device: Device) {
    this.id = id;
    this.device = device;
  }
}

/** What concerns the machine as a whole. */
export class Machine {
  noiommu: Known<boolean> = unknown;
  resetRequired: Known<boolean> = unknown;
  pageSize = 4096;
  nrIrqs: Known<number> = unknown;
  /** Facts name the devices: one that they do not name is not there. */
  devicesNamed = false;
  /** No line changed but those that notes tell of (3.3, 5.2): so it is taken where structures are recorded, notes or probes. */
  silent = false;
  /** Something ended that: a note of hardware, a region write. */
  active = false;
  /** The program said that the hardware is silent: nothing ends that. */
  declaredSilent = false;
  /** Installs of mask and unmask eventfds so far. */
  installs = 0;
}

export class PlatformState {
  readonly journal = new Journal();
  readonly parameters: PlatformParameters;
  readonly machine = new Machine();
  readonly devices = new Map<string, Device>();
  readonly files = new Map<number, DeviceFile>();
  readonly groups = new Map<string, Group>();
  readonly containers = new Map<number, Container>();
  readonly eventfds = new Map<number, Eventfd>();
  /** Objects of closed files are looked for and dropped when there are this many. */
  sweepAt = 4096;

  constructor(parameters: PlatformParameters) {
    this.parameters = parameters;
  }
}
