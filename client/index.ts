/** The public face of `mezzo/client`: a scheduler of the Mesos v1 HTTP API, for Mezzo and for any Mesos master. */
export { type Codec, jsonCodec } from './src/codec.ts';
export { createFileIdStore, type FrameworkIdStore } from './src/idStore.ts';
export { protobufCodec } from './src/protobufCodec.ts';
export { fits, rangesOf, reserved, scalar, scalarOf, take } from './src/resources.ts';
export {
  SchedulerClient,
  type SchedulerClientOptions,
  type SchedulerHandlers,
} from './src/schedulerClient.ts';
export { SchedulerError, type SchedulerErrorCode } from './src/schedulerError.ts';
export { isTerminal, shellTask, TERMINAL_STATES } from './src/tasks.ts';
export type {
  Filters,
  FrameworkInfo,
  InverseOffer,
  Offer,
  Operation,
  OperationStatus,
  Resource,
  SchedulerEvent,
  TaskInfo,
  TaskRef,
  TaskStatus,
} from './src/wire.ts';
