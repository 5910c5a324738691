import { keepsTheRules, rulesOf } from './keepsTheRules.ts';

keepsTheRules(
  'the operator keeps the rules of calls, events and subscriptions',
  rulesOf('connection'),
);
