import { type ApCall, isApCall } from "../../operation/ap/call.js";
import type { Operation } from "../../operation/operation.js";
import type { Model } from "../core/model.js";
import type { Trial } from "../core/trial.js";
import { fileGone, open } from "./access.js";
import { assign } from "./assign.js";
import { closeVm, createVm, setGuest } from "./attach.js";
import { writeDriver } from "./bind.js";
import { writeBus } from "./bus.js";
import { cloneState, fingerprint, joinField } from "./clone.js";
import { assignControl, unassignControl } from "./control-domains.js";
import { writeCard, writeQueue } from "./device-files.js";
import { closeDevice, deviceIoctl, openDevice } from "./devices.js";
import { unmapDma } from "./dma.js";
import { forgetEnded } from "./forget.js";
import { closeGroup, learnGroup, openGroup } from "./groups.js";
import { initialState } from "./initial.js";
import { brokenInvariants } from "./invariants.js";
import { Crash } from "./ledger.js";
import { create, mdevAt, remove } from "./mdevs.js";
import { load, unload } from "./module.js";
import { pqap } from "./pqap.js";
import { read } from "./read.js";
import { remains } from "./remains.js";
import { describeState, renderState } from "./render.js";
import { apRules } from "./rules.js";
import { queueCame, queueWent, scan } from "./scan.js";
import { interleaved } from "./serialization.js";
import type { ApState } from "./state.js";
import { type AttributeWrite, SYSFS } from "./store.js";
import { ASG_6, Hang } from "./table.js";
import { isWrittenTainted } from "./tainted.js";
import { unassign } from "./unassign.js";
import { followed, unrecorded } from "./unrecorded.js";
import { changeVm } from "./vcpus.js";
import { callsUnseen, doubted, forgetUnseen, isOfVmm, isOnAttribute, scansUnseen, widen } from "./widen.js";

/** The reference model of the AP system: vfio-ap-config and vfio-ap-aqic. */
export const apModel: Model<ApState> = {
  system: "ap",
  rules: apRules,
  probes: [
    "apcb_set",
    "apcb_clear",
    "reset_queue",
    "queue_probe",
    "queue_remove",
    "mdev_set_kvm",
    "resource_in_use",
    "hw_aqic",
    "hw_zapq",
  ],
  initial: initialState,
  models: ({ call }) => isApCall(call) && modelled(call),
  step,
  forget: forgetEnded,
  broken: brokenInvariants,
  remains,
  render: renderState,
  describe: describeState,
  join: joinField,
  fingerprint,
  clone: cloneState,
  doubted,
  interleaved,
};

/** Calls with a result or effects that the specs speak of; the others only tell who is who. */
function modelled(call: ApCall): boolean {
  switch (call.kind) {
    case "iommu-group":
    case "vm-create":
    case "vm-close":
    case "group-close":
    case "guest-set":
    case "vm-change":
    case "gap":
      return false;
    case "attribute-write":
      return call.phase !== "begin";
    case "closes":
      return call.closes.some((close) => close.kind === "device-close");
    default:
      return true;
  }
}

function step(s: ApState, operation: Operation, x: Trial): void {
  if (!isApCall(operation.call)) return;
  if (s.host.hung !== undefined) {
    x.cannotCheck(s.host.hung);
    x.takeAll();
    return;
  }
  s.current = operation.number;
  if (!s.host.administered && isOnAttribute(operation.call)) s.journal.set(s.host, "administered", true);
  if (!s.host.hosted && isOfVmm(operation.call)) s.journal.set(s.host, "hosted", true);
  forgetUnseen(x, s);
  if (operation.gap) widen(s);
  try {
    perform(x, s, operation.call);
  } catch (error) {
    if (error instanceof Hang) hang(x, s);
    else if (!(error instanceof Crash)) throw error;
  }
  // What is left belongs to lines that were lost: what it did is not known.
  if (operation.gap && x.remaining() > 0) widen(s);
  else if (mayRunOn(s, operation.call, x)) followed(x, s);
  x.finish();
}

/** Whether the lines of a call or a scan that nobody recorded may follow: nothing shows where what a task did has ended. */
function mayRunOn(s: ApState, call: ApCall, x: Trial): boolean {
  switch (call.kind) {
    case "queue-probe":
    case "queue-remove":
      return (callsUnseen(x, s) || scansUnseen(x, s)) && x.remaining() > 0;
    default:
      return false;
  }
}

/** The operation runs in a circle with the driver's lock held: it does not return, nor does what needs the lock after it. */
function hang(x: Trial, s: ApState): void {
  x.knownDefect("a look-up in a circular bucket never returns, with the driver's lock held", ASG_6);
  s.journal.set(s.host, "hung", "an earlier operation never returned and holds the driver's lock (ASG-6)");
  if (x.operation.result.kind === "unknown") x.agrees(ASG_6);
  else x.differs("the call never returns", "it returned", ASG_6);
}

function perform(x: Trial, s: ApState, call: ApCall): void {
  switch (call.kind) {
    case "attribute-open":
      open(x, s, call);
      break;
    case "attribute-write":
      write(x, s, call);
      break;
    case "attribute-read":
      read(x, s, call);
      break;
    case "group-open":
      openGroup(x, s, call);
      break;
    case "group-close":
      closeGroup(x, s, call.file.id, call.file.group);
      break;
    case "device-open":
      openDevice(x, s, call);
      break;
    case "device-close":
      closeDevice(x, s, call.device.id, call.device.group?.group);
      break;
    case "device-ioctl":
      deviceIoctl(x, s, call);
      break;
    case "iommu-group":
      learnGroup(s, call.uuid, call.group);
      break;
    case "vm-create":
      createVm(s, call.vm.id, call.vm.name);
      break;
    case "vm-close":
      closeVm(s, call.vm.id);
      break;
    case "closes":
      for (const close of call.closes) perform(x, s, close);
      break;
    case "pqap":
      pqap(x, s, call);
      break;
    case "scan":
      scan(x, s);
      break;
    case "module":
      if (call.action === "load") load(x, s);
      else unload(x, s);
      break;
    case "queue-probe":
      queueCame(x, s, call.apqn);
      break;
    case "queue-remove":
      queueWent(x, s, call.apqn);
      break;
    case "unrecorded":
      unrecorded(x, s);
      break;
    case "gap":
      widen(s);
      break;
    case "guest-set":
      setGuest(x, s, call);
      break;
    case "vm-change":
      changeVm(x, s, call);
      break;
    case "dma-unmap":
      unmapDma(x, s, call);
      break;
  }
}

function write(x: Trial, s: ApState, call: AttributeWrite): void {
  if (call.length === 0) {
    x.returns(0, SYSFS);
    return;
  }
  const { attribute } = call;
  switch (attribute.on) {
    case "bus":
      writeBus(x, s, attribute, call);
      break;
    case "driver":
      writeDriver(x, s, attribute, call);
      break;
    case "mdev-type":
      if (attribute.name === "create") create(x, s, call);
      else x.cannotCheck("the attribute is not modelled");
      break;
    case "mdev":
      writeMdev(x, s, attribute.uuid, attribute.name, call);
      break;
    case "card":
      writeCard(x, s, attribute, call);
      break;
    case "queue":
      writeQueue(x, attribute, call);
      break;
  }
}

function writeMdev(x: Trial, s: ApState, uuid: string, name: string, call: AttributeWrite): void {
  const m = mdevAt(s, uuid);
  if (isWrittenTainted(x, s, m, name, call)) return;
  if (name === "remove") {
    remove(x, s, m, call);
    return;
  }
  if (fileGone(x, s, m)) return;
  switch (name) {
    case "assign_adapter":
      assign(x, s, m, "adapter", call);
      break;
    case "assign_domain":
      assign(x, s, m, "domain", call);
      break;
    case "unassign_adapter":
      unassign(x, s, m, "adapter", call);
      break;
    case "unassign_domain":
      unassign(x, s, m, "domain", call);
      break;
    case "assign_control_domain":
      assignControl(x, s, m, call);
      break;
    case "unassign_control_domain":
      unassignControl(x, s, m, call);
      break;
    default:
      x.cannotCheck(`the attribute ${name} is not modelled`);
  }
}
