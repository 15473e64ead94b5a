import type { ProbeEvent } from "../../event/event.js";
import type { OpenOperation } from "../open-operation.js";
import type { Argument, PlatformCall } from "./call.js";
import { withAfter } from "./halves.js";
import { canonical, isOf, lacksHeader, type ProbeRecord } from "./probe-records.js";
import { bytesField, type ProbedIoctl, returnField } from "./probes.js";
import { VFIO } from "./requests.js";
import { resultOfReturn } from "./results.js";
import type { TaskState } from "./task-state.js";

type Open = OpenOperation<PlatformCall>;

/** Records, and calls, of a task that wait for each other at most. */
const PENDING = 64;

/**
 * Brings probe lines of ioctls together with the calls that another recorder shows: the lines of one ioctl are one record,
 * which belongs to the next call of its task with that command and result, whichever of both comes first.
 */
export class ProbePairing {
  private readonly structures: boolean;
  private readonly give: (operation: Open, argument: Argument) => void;

  /** `structures`: whether such probes ran. `give` hands a call the structure that its probe line shows. */
  constructor(structures: boolean, give: (operation: Open, argument: Argument) => void) {
    this.structures = structures;
    this.give = give;
  }

  /** A call whose probe lines are still to come, or came before it. */
  expect(operation: Open, state: TaskState): void {
    state.calls = true;
    if (!this.structures || operation.call.kind !== "vfio-ioctl") return;
    const { early } = state;
    const at = early.findIndex((record) => isOf(record, operation));
    const record = early[at];
    if (record !== undefined) {
      // Those before it belong to calls that were not recorded.
      early.splice(0, at + 1);
      this.attach(operation, record, state);
      return;
    }
    state.waiting.push(operation);
    if (state.waiting.length > PENDING) state.waiting.shift();
  }

  /** A line that shows a structure. `whole`: `ioctl_in`, else a `set_irqs`, which lies inside where one is open. */
  take({ command, argument }: ProbedIoctl, whole: boolean, state: TaskState): void {
    const { record } = state;
    if (!whole && record?.whole === true && canonical(record.command) === VFIO.DEVICE_SET_IRQS) {
      if (lacksHeader(record.argument)) record.argument = argument;
      return;
    }
    this.end(state);
    state.record = { command, whole, argument, after: undefined, result: undefined };
  }

  /** A line that shows what an ioctl has written, and its result. */
  takeAfter(event: ProbeEvent, record: ProbeRecord, state: TaskState): void {
    const rc = returnField(event);
    record.after = bytesField(event) ?? record.after;
    if (rc !== undefined) record.result = resultOfReturn(rc);
    // Of a call that ioctl_in showed, ioctl_out is still to come.
    if (event.name === "ioctl_out" || !record.whole) this.end(state);
  }

  /** No more lines come of the ioctl that the last probe lines show. */
  end(state: TaskState): void {
    const { record } = state;
    state.record = undefined;
    if (record !== undefined) this.pair(record, state);
  }

  /** The probe lines of an ioctl are complete: its call is the next one with that command and result. */
  private pair(record: ProbeRecord, state: TaskState): void {
    const { waiting, early } = state;
    const at = waiting.findIndex((operation) => isOf(record, operation));
    const operation = waiting[at];
    if (operation === undefined) {
      early.push(record);
      if (early.length > PENDING) early.shift();
      return;
    }
    // Those before it never reached the driver.
    for (const passed of waiting.splice(0, at + 1)) {
      if (passed !== operation && passed.returned && state.running !== passed) passed.complete = true;
    }
    this.attach(operation, record, state);
  }

  private attach(operation: Open, { argument, after, result }: ProbeRecord, state: TaskState): void {
    this.give(operation, argument);
    if (after !== undefined && operation.call.kind === "vfio-ioctl") operation.call = withAfter(operation.call, after);
    if (operation.result.kind === "unknown" && result !== undefined) operation.result = result;
    if (operation.returned && state.running !== operation) operation.complete = true;
  }
}
