import type {
  RelayCommand,
  RelayedCall,
  RelayHello,
  RelayReply,
} from '../../../operator/src/schema/http/executorRelay.ts';

/** The operator as the relay of executors meets it. */
export interface OperatorLink {
  /** What the operator says to a call of an executor; undefined while it cannot be asked. */
  call(call: RelayedCall): Promise<RelayReply | undefined>;
  /** Opens the agent's stream; resolves with the reason when it has ended or could not be opened. */
  follow(
    hello: RelayHello,
    onCommand: (command: RelayCommand) => void,
    signal: AbortSignal,
  ): Promise<string>;
}
