/** Calls that return a descriptor of no file that the model knows. */
export const MAKERS: ReadonlySet<string> = new Set([
  "socket",
  "accept",
  "accept4",
  "epoll_create",
  "epoll_create1",
  "memfd_create",
  "signalfd",
  "signalfd4",
  "timerfd_create",
  "pidfd_open",
  "inotify_init",
  "inotify_init1",
  "perf_event_open",
  "userfaultfd",
  "io_uring_setup",
  "fanotify_init",
]);
