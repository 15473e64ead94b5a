/**
 * The vocabulary of probe lines: names, their aliases, and which probes a recording recipe always sets together
 * (probe vocabulary; capture-formats section i). Fields and meaning of the lines are the assembler's business.
 */

/** Names as the vocabulary fixes them: stock tracepoints and dynamic probes. */
const probeNames = [
  // AP
  "pqap_entry",
  "pqap_exit",
  "apcb_set",
  "apcb_clear",
  "gisc_register",
  "gisc_unregister",
  "pin_pages",
  "unpin_pages",
  "dma_unmap",
  "reset_queue",
  "queue_probe",
  "queue_remove",
  "mdev_set_kvm",
  "mdev_unset_kvm",
  "cfg_changed",
  "scan_complete",
  "resource_in_use",
  "hw_aqic",
  "hw_tapq",
  "hw_zapq",
  // Structures behind ioctls
  "ioctl_in",
  "ioctl_out",
  // powerpc
  "kvm_hcall_enter",
  "kvm_hcall_exit",
  "hcall_entry",
  "hcall_exit",
  "kvm_guest_enter",
  "kvm_guest_exit",
  "kvm_userspace_exit",
  "vm_cap",
  "vm_enable_cap",
  "vcpu_enable_cap",
  "one_reg_get",
  "one_reg_set",
  "vcpu_one_reg",
  "kvmhv_enable_dawr1",
  "r_kvmhv_enable_dawr1",
  "pseries_set_dawr",
  "pseries_disable_reloc_on_exc",
  "pseries_enable_reloc_on_exc",
  "pseries_big_endian_exceptions",
  "hset",
  "p_kvmppc_h_pr",
  "r_kvmppc_h_pr",
  // VFIO platform
  "set_irqs",
  "vp_open",
  "vp_close",
  "irq_handler_entry",
] as const;

/** Names of recipes, with the name of the vocabulary that they mean (`_in` and `_out` halves apart). */
const aliases: ReadonlyMap<string, string> = new Map([
  ["gisc_reg", "gisc_register"],
  ["gisc_unreg", "gisc_unregister"],
  ["pin", "pin_pages"],
  ["unpin", "unpin_pages"],
  ["in_use", "resource_in_use"],
  ["vm_cap_ret", "vm_cap"],
  ["vcpu_ioctl", "vcpu_enable_cap"],
  ["one_reg_get_ret", "one_reg_get"],
  ["one_reg_set_ret", "one_reg_set"],
]);

/** Recipe probes without a name of their own in the vocabulary: they bracket the driver's part of a PQAP. */
const hookNames = ["pqap_hook", "pqap_hook_out"] as const;

const vocabulary: ReadonlySet<string> = new Set([...probeNames, ...hookNames]);

/**
 * The vocabulary's name of a probe: aliases resolved, `_in` and `_out` of a pair taken off (`pin_out` is `pin_pages`);
 * undefined for a name that the vocabulary does not know.
 */
export function canonicalProbe(name: string): string | undefined {
  const whole = aliases.get(name) ?? name;
  if (vocabulary.has(whole)) return whole;
  const half = name.endsWith("_in") ? name.slice(0, -3) : name.endsWith("_out") ? name.slice(0, -4) : undefined;
  if (half === undefined) return undefined;
  const canonical = aliases.get(half) ?? half;
  return vocabulary.has(canonical) ? canonical : undefined;
}

/** The probes of recipe i.1 (s390 host): one script sets them all. */
const recipeAp: readonly string[] = [
  "apcb_set",
  "apcb_clear",
  "gisc_reg_in",
  "gisc_reg_out",
  "gisc_unreg_in",
  "gisc_unreg_out",
  "pin_in",
  "pin_out",
  "unpin_pages",
  "pqap_hook",
  "pqap_hook_out",
  "in_use_out",
];

/** Names that only recipe i.1 uses: one of them shows that the whole recipe was set. */
const recipeApMarks: ReadonlySet<string> = new Set(recipeAp.slice(2).filter((name) => name !== "unpin_pages"));

/** Probes that every recipe sets in pairs: the two ends of one thing. */
const pairs: readonly (readonly [string, string])[] = [
  ["pqap_entry", "pqap_exit"],
  ["apcb_set", "apcb_clear"],
  ["gisc_register", "gisc_unregister"],
  ["pin_pages", "unpin_pages"],
  ["queue_probe", "queue_remove"],
  ["mdev_set_kvm", "mdev_unset_kvm"],
  ["cfg_changed", "scan_complete"],
  ["ioctl_in", "ioctl_out"],
  ["kvm_hcall_enter", "kvm_hcall_exit"],
  ["hcall_entry", "hcall_exit"],
  ["kvm_guest_enter", "kvm_guest_exit"],
  ["vm_cap", "vm_cap_ret"],
  ["one_reg_get", "one_reg_get_ret"],
  ["one_reg_set", "one_reg_set_ret"],
  ["kvmhv_enable_dawr1", "r_kvmhv_enable_dawr1"],
  ["p_kvmppc_h_pr", "r_kvmppc_h_pr"],
  ["set_irqs", "set_irqs_out"],
  ["vp_open", "vp_close"],
];

const partners: ReadonlyMap<string, string> = new Map(
  pairs.flatMap(([a, b]): [string, string][] => [
    [a, b],
    [b, a],
  ]),
);

/**
 * The probes that recorded, from the names that occur in a recording: the names themselves, the other half of their
 * pairs, the rest of a recipe whose own names occur, and the vocabulary's name of each. Names that the vocabulary does
 * not know are left out. Sorted.
 */
export function recordedProbes(occurring: Iterable<string>): readonly string[] {
  const found = new Set<string>();
  const add = (name: string): void => {
    const canonical = canonicalProbe(name);
    if (canonical === undefined) return;
    found.add(name);
    found.add(canonical);
    const partner = partners.get(name) ?? halfOfPair(name);
    if (partner !== undefined) found.add(partner);
  };
  for (const name of occurring) {
    add(name);
    if (recipeApMarks.has(name)) for (const other of recipeAp) add(other);
  }
  return [...found].sort();
}

/** The name of the other half of a `NAME_in` / `NAME_out` pair of kprobe events. */
function halfOfPair(name: string): string | undefined {
  if (name.endsWith("_in")) return `${name.slice(0, -3)}_out`;
  if (name.endsWith("_out") && name !== "in_use_out") return `${name.slice(0, -4)}_in`;
  return undefined;
}
