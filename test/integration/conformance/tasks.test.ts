import { keepsTheRules, rulesOf } from './keepsTheRules.ts';

keepsTheRules('the operator keeps the rules of tasks and their updates', rulesOf('tasks'));
