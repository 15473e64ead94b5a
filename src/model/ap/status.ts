/** Fields of an AP queue status word (vfio-ap-aqic 2.5). */

export function responseCode(status: number): number {
  return (status >>> 16) & 0xff;
}

export function queueEmpty(status: number): boolean {
  return (status & 0x80000000) !== 0;
}

export function repliesWaiting(status: number): boolean {
  return (status & 0x40000000) !== 0;
}

export function queueFull(status: number): boolean {
  return (status & 0x20000000) !== 0;
}

export function interruptsOn(status: number): boolean {
  return (status & 0x01000000) !== 0;
}

export function rcText(rc: number): string {
  return rc.toString(16).padStart(2, "0");
}

export function statusText(status: number): string {
  return `0x${(status >>> 0).toString(16).padStart(8, "0")}`;
}
