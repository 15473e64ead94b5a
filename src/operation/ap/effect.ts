import type { Mask } from "../../event/mask.js";
import type { Word } from "../../event/word.js";
import type { Refusal } from "./log-decode.js";

/** What a driver did while an operation ran, as a probe or a log line recorded it (probes.md, AP). */
export type ApEffect =
  | { readonly kind: "apcb_set"; readonly kvm: string; readonly apm: Mask; readonly aqm: Mask; readonly adm: Mask }
  | { readonly kind: "apcb_clear"; readonly kvm: string }
  | { readonly kind: "gisc_register"; readonly kvm: string; readonly gisc: number; readonly rc: number }
  | { readonly kind: "gisc_unregister"; readonly kvm: string; readonly gisc: number; readonly rc: number }
  | { readonly kind: "pin_pages"; readonly iova: Word; readonly npage: number; readonly rc: number }
  | { readonly kind: "unpin_pages"; readonly iova: Word; readonly npage: number }
  | {
      readonly kind: "reset_queue";
      readonly apqn: number;
      readonly retry: number;
      readonly rc: number;
      /** The last status word, where the recorder could see it. */
      readonly status: number | undefined;
    }
  | { readonly kind: "hw_aqic"; readonly apqn: number; readonly gr1: Word; readonly status: number }
  | { readonly kind: "hw_tapq"; readonly apqn: number; readonly status: number }
  | { readonly kind: "hw_zapq"; readonly apqn: number; readonly status: number }
  | { readonly kind: "resource_in_use"; readonly apm: Mask; readonly aqm: Mask; readonly rc: number }
  | { readonly kind: "queue_probe"; readonly apqn: number; readonly rc: number }
  | { readonly kind: "queue_remove"; readonly apqn: number }
  | { readonly kind: "mdev_set_kvm"; readonly mdev: string; readonly kvm: string; readonly rc: number }
  | { readonly kind: "mdev_unset_kvm"; readonly mdev: string; readonly kvm: string }
  | { readonly kind: "dma_unmap"; readonly mdev: string; readonly iova: Word; readonly size: Word }
  /** `SET CRYCB` of the debug log: the masks as the guest's block holds them; `wide`: format 2. */
  | {
      readonly kind: "crycb_set";
      readonly pid: number;
      readonly wide: boolean;
      readonly apm: Mask;
      readonly aqm: Mask;
      readonly adm: Mask;
    }
  | { readonly kind: "crycb_clear"; readonly pid: number }
  /** The debug log says why the driver refused a PQAP(AQIC). */
  | { readonly kind: "aqic_refused"; readonly reason: Refusal; readonly apqn: number }
  | { readonly kind: "cfg_changed"; readonly before: ApMasks; readonly after: ApMasks }
  | { readonly kind: "scan_complete"; readonly before: ApMasks; readonly after: ApMasks };

export interface ApMasks {
  readonly apm: Mask;
  readonly aqm: Mask;
  readonly adm: Mask;
}

export type EffectKind = ApEffect["kind"];

/**
 * Probe lines that only bracket an operation: they stand before or after its effects as the recorder and the kernel
 * version have it (probes.md; vfio-ap-aqic 5.3), so their place among the effects says nothing.
 */
export const bracketKinds: ReadonlySet<string> = new Set<EffectKind>([
  "mdev_set_kvm",
  "mdev_unset_kvm",
  "cfg_changed",
  "scan_complete",
  "queue_probe",
  "queue_remove",
  "crycb_set",
  "crycb_clear",
  "aqic_refused",
]);
