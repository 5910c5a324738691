import { ALL_RULES } from '../../conformance/allRules.ts';
import { isOfTheConnection, keepsTheRules } from './keepsTheRules.ts';

keepsTheRules(
  'the operator keeps the rules of tasks, filters and operations',
  ALL_RULES.filter((rule) => !isOfTheConnection(rule)),
);
