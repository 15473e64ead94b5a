import type { OperationCount } from "./report.js";

/** Counts operations by name, and the reasons why some could not be checked. */
export class Tally {
  operations = 0;
  checked = 0;
  private readonly kinds = new Map<string, { total: number; checked: number; unchecked: Map<string, number> }>();

  count(name: string, reasons: readonly string[], checked: boolean): void {
    this.operations++;
    const kind = this.kinds.get(name) ?? { total: 0, checked: 0, unchecked: new Map<string, number>() };
    this.kinds.set(name, kind);
    kind.total++;
    if (checked) {
      kind.checked++;
      this.checked++;
      return;
    }
    const reason = reasons[0] ?? "nothing of it was recorded that could be held against the model";
    kind.unchecked.set(reason, (kind.unchecked.get(reason) ?? 0) + 1);
  }

  list(): readonly OperationCount[] {
    return [...this.kinds]
      .map(([name, kind]) => ({
        name,
        total: kind.total,
        checked: kind.checked,
        unchecked: Object.fromEntries(kind.unchecked),
      }))
      .sort((a, b) => a.name.localeCompare(b.name, "en"));
  }
}
