const NONE: readonly never[] = [];

/** How the choices of a run are made: by a list, the last of which the driver of the runs increments. */
export class Choices {
  /** Most runs meet no choice. */
  private made: readonly { readonly option: number; readonly of: number }[] = NONE;
  private next = 0;

  /** The option of the next choice among `of`; the first one the first time. */
  take(of: number): number {
    const known = this.made[this.next];
    this.next++;
    if (known !== undefined) return known.option;
    this.made = [...this.made, { option: 0, of }];
    return 0;
  }

  /** Whether the run met any choice. */
  get any(): boolean {
    return this.made.length > 0;
  }

  /** Goes to the next combination; false if all were tried. */
  advance(): boolean {
    this.next = 0;
    for (let last = this.made.length - 1; last >= 0; last--) {
      const choice = this.made[last];
      if (choice === undefined || choice.option + 1 >= choice.of) continue;
      this.made = [...this.made.slice(0, last), { option: choice.option + 1, of: choice.of }];
      return true;
    }
    this.made = NONE;
    return false;
  }
}
