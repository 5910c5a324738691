import { keepsTheRules, rulesOf } from './keepsTheRules.ts';

keepsTheRules('the operator keeps the rules of filters and operations', rulesOf('offers'));
