import type { Attribute } from "./attribute.js";
import type { DeviceRef, GroupRef, VmRef } from "./call.js";

/** What an open file is, as far as a model cares; everything else is not kept. */
export type FileObject =
  | { readonly kind: "attribute"; readonly attribute: Attribute }
  | { readonly kind: "group"; readonly ref: GroupRef }
  | { readonly kind: "container" }
  | { readonly kind: "kvm" }
  | { readonly kind: "vm"; readonly ref: VmRef }
  | { readonly kind: "vcpu"; readonly vm: VmRef | undefined; readonly number: number }
  | { readonly kind: "kvm-vfio" }
  | { readonly kind: "device"; readonly ref: DeviceRef };
