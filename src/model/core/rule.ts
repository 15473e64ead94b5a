/** A rule of a spec as the model holds it: declared beside the code that follows it. */
export interface Rule {
  /** Full name: `ap-config/ASG-1`. */
  readonly id: string;
  readonly title: string;
  /** What the rule says, in our words. */
  readonly text: string;
  /** Where the spec takes it from. */
  readonly source: string;
  /** Profiles in which it holds. */
  readonly profiles: readonly string[];
}

/** The name without the spec's prefix: `ASG-1`. */
export function bareName(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}

/** An invariant: checked after each operation on what that operation touched. */
export interface Broken {
  readonly rule: Rule;
  /** Rules of other specs that ask for the same. */
  readonly also?: readonly Rule[] | undefined;
  readonly message: string;
  /** The profile's own rules prescribe it: a known defect, not a divergence. */
  readonly prescribedBy: Rule | undefined;
}
