import { OPERATOR_CALL_ENUMS, OPERATOR_CALL_MESSAGES } from './operatorCallProto.ts';
import { OPERATOR_REPLY_ENUMS, OPERATOR_REPLY_MESSAGES } from './operatorReplyProto.ts';
import { COMMON_ENUMS, COMMON_MESSAGES, createCodecs, type MessageCodec } from './proto/codec.ts';
import { SCHEDULER_ENUMS, SCHEDULER_MESSAGES } from './proto/scheduler.ts';

const operatorCodec = createCodecs(
  {
    ...COMMON_MESSAGES,
    ...SCHEDULER_MESSAGES,
    ...OPERATOR_CALL_MESSAGES,
    ...OPERATOR_REPLY_MESSAGES,
  },
  { ...COMMON_ENUMS, ...SCHEDULER_ENUMS, ...OPERATOR_CALL_ENUMS, ...OPERATOR_REPLY_ENUMS },
);

export const OPERATOR_CALL_CODEC: MessageCodec = operatorCodec('master.Call');
export const OPERATOR_REPLY_CODEC: MessageCodec = operatorCodec('master.Response');
export const OPERATOR_EVENT_CODEC: MessageCodec = operatorCodec('master.Event');
