/** The calls of VFIO platform devices. */
export type PlatformCall = never;
