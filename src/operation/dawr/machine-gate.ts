import type { Operation } from "../operation.js";

/** Operations kept while nothing has shown yet that the recorded machine is a powerpc one. */
const MOST_HELD = 4096;

/**
 * Hands operations over once it is known that a powerpc machine was recorded: many requests of KVM have the same name
 * everywhere. The manifest tells, or the first line that only such a machine prints.
 */
export class MachineGate {
  /** Another machine was recorded, as the manifest says. */
  readonly elsewhere: boolean;
  private powerpc: boolean;
  private readonly held: Operation[] = [];
  private readonly hand: (group: readonly Operation[]) => void;

  constructor(arch: string | undefined, hand: (group: readonly Operation[]) => void) {
    this.powerpc = arch?.startsWith("p") === true;
    this.elsewhere = arch !== undefined && !this.powerpc;
    this.hand = hand;
  }

  /** Something that only a powerpc machine prints was seen. */
  isPowerpc(): void {
    if (this.powerpc) return;
    this.powerpc = true;
    for (const operation of this.held.splice(0)) this.hand([operation]);
  }

  pass(operation: Operation): void {
    if (this.powerpc) this.hand([operation]);
    else if (this.held.length < MOST_HELD) this.held.push(operation);
  }
}
