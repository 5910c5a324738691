import type { Rule } from './rule.ts';
import { ANY_INPUT_RULES } from './rules/anyInput.ts';
import { CALL_RULES } from './rules/calls.ts';
import { EVENT_RULES } from './rules/events.ts';
import { FILTER_RULES } from './rules/filters.ts';
import { FRAMEWORK_INFO_RULES } from './rules/frameworkInfo.ts';
import { HTTP_RULES } from './rules/http.ts';
import { ACCEPT_RULES } from './rules/invalidAccepts.ts';
import { KILL_RULES } from './rules/kill.ts';
import { MAINTENANCE_RULES } from './rules/maintenance.ts';
import { LAUNCH_GROUP_RULES, OPERATION_RULES } from './rules/operations.ts';
import { OPERATOR_API_RULES } from './rules/operatorApi.ts';
import { READ_RULES } from './rules/reads.ts';
import { STATUS_CODE_RULES } from './rules/statusCodes.ts';
import { STATUS_RULES } from './rules/statuses.ts';
import { SUBSCRIPTION_RULES } from './rules/subscription.ts';
import { UPDATE_FRAMEWORK_RULES } from './rules/updateFramework.ts';
import { VOLUME_RULES } from './rules/volumes.ts';

/** Every rule, in the order of the sections. */
export const ALL_RULES: readonly Rule[] = [
  ...HTTP_RULES,
  ...READ_RULES,
  ...STATUS_CODE_RULES,
  ...ANY_INPUT_RULES,
  ...CALL_RULES,
  ...EVENT_RULES,
  ...MAINTENANCE_RULES,
  ...FRAMEWORK_INFO_RULES,
  ...SUBSCRIPTION_RULES,
  ...STATUS_RULES,
  ...KILL_RULES,
  ...UPDATE_FRAMEWORK_RULES,
  ...FILTER_RULES,
  ...ACCEPT_RULES,
  ...OPERATION_RULES,
  ...VOLUME_RULES,
  ...LAUNCH_GROUP_RULES,
  ...OPERATOR_API_RULES,
];
