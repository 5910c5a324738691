import { ALL_RULES } from '../../conformance/allRules.ts';
import { isOfTheConnection, keepsTheRules } from './keepsTheRules.ts';

keepsTheRules(
  'the operator keeps the rules of calls, events and subscriptions',
  ALL_RULES.filter(isOfTheConnection),
);
