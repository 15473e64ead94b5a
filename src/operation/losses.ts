import type { GapEvent } from "../event/event.js";

/** Where lines of which CPU were lost, by the edges of the losses in the merged stream. */
export class Losses {
  private readonly open = new Map<number, number>();
  private readonly latest = new Map<number, number>();

  /** Takes one edge of a loss, or a loss as a whole, at a place of the stream. */
  edge({ cpu, edge }: GapEvent, place: number): void {
    this.latest.set(cpu, place);
    if (edge === "begin") this.open.set(cpu, (this.open.get(cpu) ?? 0) + 1);
    else if (edge === "end") this.open.set(cpu, Math.max(0, (this.open.get(cpu) ?? 0) - 1));
  }

  /** Whether lines of the CPU (-1: not printed) may be missing from that place of the stream on. */
  since(place: number, cpu: number): boolean {
    const cpus = cpu < 0 ? [...this.latest.keys()] : [cpu, -1];
    return cpus.some((one) => (this.open.get(one) ?? 0) > 0 || (this.latest.get(one) ?? -1) >= place);
  }
}
