import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { kubeError } from './errors.ts';

export type Matches = (object: KubeObject) => boolean;
/** Reads the value of one selectable field; absent reads as the empty string, as in Kubernetes. */
export type FieldReader = (object: KubeObject) => string;

const EVERYTHING: Matches = () => true;
type Labels = { readonly [key: string]: string };
type Requirement = (labels: Labels) => boolean;

const SET = /^\s*([^\s!=,()]+)\s+(in|notin)\s+\(([^)]*)\)\s*$/;
const EQUALITY = /^\s*([^\s!=,()]+)\s*(==|=|!=)\s*([^\s!=,()]*)\s*$/;
const EXISTENCE = /^\s*(!?)\s*([^\s!=,()]+)\s*$/;

const parsedLabels = new Map<string, Matches>();

/** Parses a label selector: `a=b, c!=d, e in (f, g), h notin (i), j, !k`. Errors: `badRequest` names the bad part. */
export function labelMatcher(selector: string | undefined): Matches {
  if (selector === undefined || selector.trim() === '') return EVERYTHING;
  const known = parsedLabels.get(selector);
  if (known !== undefined) return known;
  const requirements = selector.split(/,(?![^(]*\))/).map(labelRequirement);
  const matches: Matches = ({ metadata }) =>
    requirements.every((holds) => holds(metadata.labels ?? {}));
  parsedLabels.set(selector, matches);
  return matches;
}

function labelRequirement(part: string): Requirement {
  const set = SET.exec(part);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return operator === 'in'
      ? (labels) => labels[key] !== undefined && values.has(labels[key])
      : (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const equality = EQUALITY.exec(part);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    return operator === '!='
      ? (labels) => labels[key] !== value
      : (labels) => labels[key] === value;
  }
  const existence = EXISTENCE.exec(part);
  if (existence !== null) {
    const [, not, key = ''] = existence;
    return (labels) => (labels[key] === undefined) === (not === '!');
  }
  throw kubeError('badRequest', `unable to parse label selector requirement "${part}"`);
}

const METADATA_FIELDS: { readonly [path: string]: FieldReader } = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
};

/** Parses a field selector over the kind's selectable fields. Errors: `badRequest` for any other field. */
export function fieldMatcher(
  selector: string | undefined,
  readers: { readonly [path: string]: FieldReader },
): Matches {
  if (selector === undefined || selector.trim() === '') return EVERYTHING;
  const requirements = selector.split(',').map((part) => {
    const equality = EQUALITY.exec(part);
    if (equality === null) throw kubeError('badRequest', `invalid field selector "${part}"`);
    const [, path = '', operator, value = ''] = equality;
    const read = METADATA_FIELDS[path] ?? readers[path];
    if (read === undefined) throw kubeError('badRequest', `field label not supported: ${path}`);
    return (object: KubeObject): boolean => (read(object) === value) === (operator !== '!=');
  });
  return (object) => requirements.every((holds) => holds(object));
}
