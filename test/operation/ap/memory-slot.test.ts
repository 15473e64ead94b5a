import { expect, test } from "vitest";
import { memorySlotOf } from "../../../src/operation/ap/memory-slot.js";

test.each([
  [
    "{slot=0, flags=0, guest_phys_addr=0, memory_size=65536, userspace_addr=0x7f0000000000}",
    { slot: 0, first: 0, pages: 16, readonly: false },
  ],
  [
    "{slot=3, flags=KVM_MEM_LOG_DIRTY_PAGES|KVM_MEM_READONLY, guest_phys_addr=0x80000000, memory_size=4096, userspace_addr=0x7f0000000000}",
    { slot: 3, first: 0x80000, pages: 1, readonly: true },
  ],
  [
    "{slot=1, flags=0x1 /* KVM_MEM_LOG_DIRTY_PAGES */, guest_phys_addr=0xfffffffff000, memory_size=0, userspace_addr=NULL}",
    { slot: 1, first: 0xfffffffff, pages: 0, readonly: false },
  ],
  [
    "{slot=1, flags=0x2 /* KVM_MEM_READONLY */, guest_phys_addr=4294967296, memory_size=18446744073709547520, userspace_addr=NULL}",
    { slot: 1, first: 0x100000, pages: 2 ** 52 - 1, readonly: true },
  ],
  ["0x3fff2b7d5f0", undefined],
  ["{slot=0, flags=0, guest_phys_addr=?, memory_size=65536}", undefined],
  [undefined, undefined],
])("%s", (arg, slot) => {
  expect(memorySlotOf(arg)).toEqual(slot);
});
