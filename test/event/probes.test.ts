import { describe, expect, it } from "vitest";
import { canonicalProbe, recordedProbes } from "../../src/event/probes.js";

describe("canonicalProbe", () => {
  it.each([
    ["pin_pages", "pin_pages"],
    ["pin_in", "pin_pages"],
    ["pin_out", "pin_pages"],
    ["pin_pages_in", "pin_pages"],
    ["gisc_reg_out", "gisc_register"],
    ["gisc_unreg_in", "gisc_unregister"],
    ["in_use_out", "resource_in_use"],
    ["pqap_hook", "pqap_hook"],
    ["pqap_hook_out", "pqap_hook_out"],
    ["ioctl_in", "ioctl_in"],
    ["vm_cap_ret", "vm_cap"],
    ["vcpu_ioctl", "vcpu_enable_cap"],
    ["set_irqs_out", "set_irqs"],
  ])("%s is %s", (name, canonical) => {
    expect(canonicalProbe(name)).toBe(canonical);
  });

  it.each(["sched_switch", "", "_in", "_out", "constructor"])("does not know %j", (name) => {
    expect(canonicalProbe(name)).toBeUndefined();
  });
});

describe("recordedProbes", () => {
  it("adds the other end of a pair and nothing else", () => {
    expect(recordedProbes(["apcb_set"])).toEqual(["apcb_clear", "apcb_set"]);
  });

  it("adds the vocabulary's name of an alias and the rest of its recipe", () => {
    const found = recordedProbes(["pin_out"]);
    for (const name of ["pin_pages", "pin_in", "apcb_set", "gisc_register", "gisc_unreg_out", "pqap_hook"]) {
      expect(found).toContain(name);
    }
    expect(found).not.toContain("pqap_entry");
    expect(found).not.toContain("mdev_set_kvm");
  });

  it("leaves unknown names out", () => {
    expect(recordedProbes(["sched_switch", "toString"])).toEqual([]);
  });
});
