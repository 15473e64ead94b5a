import { describe, expect, it } from "vitest";
import { errnoName, errnoNumber } from "../../src/event/errno.js";

describe("errno", () => {
  // asm-generic/errno-base.h, asm-generic/errno.h, linux/errno.h
  it.each([
    [1, "EPERM"],
    [2, "ENOENT"],
    [4, "EINTR"],
    [5, "EIO"],
    [6, "ENXIO"],
    [9, "EBADF"],
    [11, "EAGAIN"],
    [12, "ENOMEM"],
    [13, "EACCES"],
    [14, "EFAULT"],
    [16, "EBUSY"],
    [17, "EEXIST"],
    [19, "ENODEV"],
    [22, "EINVAL"],
    [25, "ENOTTY"],
    [28, "ENOSPC"],
    [34, "ERANGE"],
    [35, "EDEADLK"],
    [38, "ENOSYS"],
    [40, "ELOOP"],
    [42, "ENOMSG"],
    [57, "EBADSLT"],
    [59, "EBFONT"],
    [71, "EPROTO"],
    [84, "EILSEQ"],
    [95, "EOPNOTSUPP"],
    [98, "EADDRINUSE"],
    [99, "EADDRNOTAVAIL"],
    [110, "ETIMEDOUT"],
    [125, "ECANCELED"],
    [133, "EHWPOISON"],
    [512, "ERESTARTSYS"],
    [513, "ERESTARTNOINTR"],
    [514, "ERESTARTNOHAND"],
    [515, "ENOIOCTLCMD"],
    [516, "ERESTART_RESTARTBLOCK"],
    [524, "ENOTSUPP"],
    [531, "ENOGRACE"],
  ])("%i is %s", (number, name) => {
    expect(errnoName(number)).toBe(name);
    expect(errnoNumber(name)).toBe(number);
  });

  it("has every number that Linux defines and no other", () => {
    const gaps = new Set([41, 58, 520]);
    for (let number = 0; number <= 700; number += 1) {
      const defined = (number >= 1 && number <= 133) || (number >= 512 && number <= 531);
      const name = errnoName(number);
      expect([number, name !== undefined]).toEqual([number, defined && !gaps.has(number)]);
      if (name !== undefined) expect(errnoNumber(name)).toBe(number);
    }
  });

  it("knows the synonyms", () => {
    expect(errnoNumber("EWOULDBLOCK")).toBe(11);
    expect(errnoNumber("EDEADLOCK")).toBe(35);
    expect(errnoNumber("ENOTSUP")).toBe(95);
  });

  it("takes the number that stands for a name which strace did not know", () => {
    expect(errnoNumber("515")).toBe(515);
    expect(errnoNumber("4095")).toBe(4095);
    for (const text of ["0", "4096", "-5", "5x", "", "EWHAT", "constructor"]) expect(errnoNumber(text)).toBeUndefined();
  });
});
