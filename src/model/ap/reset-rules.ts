import { aqicRule, V9, V61 } from "./profile.js";

/** Rules about resets that several places follow. */

export const RST_8 = aqicRule(
  "RST-8",
  "What resets queues",
  "The device's RESET, its close with a guest, the removal of the mdev, the removal of a queue, and in linux-6.1 the unassigning of queues that the guest has. Nothing else does.",
  "vfio_ap_ops.c",
);
export const RST_9 = aqicRule(
  "RST-9",
  "A host without the AQIC facility",
  "The disable after each reset is a real AQIC: without facility 65 the host itself takes a specification exception.",
  "v9 3/4 vfio_ap_irq_disable_apqn",
  V9,
);
export const RST_10 = aqicRule(
  "RST-10",
  "Unassigning a queue that a guest uses",
  "linux-6.1 takes the number from the guest and resets the queues that were in its shadow; others keep their mdev and registration. dynamic-v12 neither resets nor frees; aqic-v9 refuses.",
  "vfio_ap_mdev_hot_unplug_adapter, _domain; v12 5/17, 12/17",
);
export const RST_11 = aqicRule(
  "RST-11",
  "Kernel warnings about resets",
  "They change nothing, and test the wrong counter, or come although the check succeeded.",
  "vfio_ap_mdev_reset_queue",
);
export const INV_20 = aqicRule(
  "INV-20",
  "Remembered code of the last reset",
  "The remembered response code is that of the last ZAPQ of the driver (RST-5).",
  "invariant",
  V61,
);
export const INV_21 = aqicRule(
  "INV-21",
  "Results of a reset",
  "A reset of a queue ends with 0, -EBUSY or -EIO.",
  "invariant",
);
