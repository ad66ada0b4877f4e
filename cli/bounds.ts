/** Bounds of the command line: what one command opens, reads and keeps at most. */
export const bounds = {
  /** Port-forwards that one command holds at the same time. */
  tunnelsMax: 8,
  /** Pods that one command asks. Further ones are listed as not asked. */
  podsAskedMax: 200,
  /** Objects that one list takes from the API server. */
  objectsMax: 5_000,
  /** Bytes of one answer of the API server. */
  objectBytesMax: 67_108_864,
  /** Bytes of one answer of a gateway or publisher. */
  answerBytesMax: 8_388_608,
  /** Longest wait for one answer, in milliseconds. */
  answerMsMax: 10_000,
  /** Bytes that wait in one port-forward for their reader, before it stops reading. */
  tunnelBytesWaitingMax: 1_048_576,
  /** Client connections that `tail` takes on its loopback port at the same time. */
  doorConnectionsMax: 8,
  /** Bytes of one container's log that `logs` reads. */
  logBytesMax: 67_108_864,
  /** Bytes of one line of a log. The rest of a longer line is left out. */
  logLineBytesMax: 65_536,
  /** Lines that `logs` shows: the newest ones. */
  logLinesMax: 10_000,
  /** Publications that wait in `tail` for a slow terminal. */
  tailWaitingMax: 1_000,
  /** Bytes of a key or token file. */
  secretBytesMax: 65_536,
} as const;
