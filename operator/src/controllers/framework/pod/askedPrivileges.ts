import { frameworkId, rolePath } from '../../../model/ids.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import type { Principal } from '../types.ts';
import type { PodContext } from './podContext.ts';
import { AskedPrivileges, type Privilege } from './privileges.ts';
import { partsOf } from './taskParts.ts';

const NAMES = { container: 'task', fetcher: 'fetch', sandbox: 'sandbox', shared: 'shared' };
const NOWHERE = { id: frameworkId(''), namespace: '', objectName: '', objectUid: '' };

/**
 * What the tasks ask for that takes a permission: they are translated for somebody who may do everything, and what is
 * asked on the way is noted. A task that is refused for another reason needs no permission.
 */
export function privilegesAsked(infos: readonly TaskInfo[]): ReadonlySet<Privilege> {
  const privileges = new AskedPrivileges();
  const context: PodContext = {
    place: NOWHERE,
    role: rolePath('*'),
    podTemplate: undefined,
    defaultImage: 'any',
    runAsUser: 1,
    fetcher: { image: 'any', maxBytes: 1 },
    privileges,
  };
  // Only a ContainerInfo can ask; most tasks have none.
  for (const info of infos) if (info.container !== undefined) partsOf(info, context, NAMES);
  return privileges.asked;
}

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):[^:]+$/;

/** The principal by its name alone; a service account is in the groups of every service account. */
export function principalNamed(name: string): Principal {
  const namespace = SERVICE_ACCOUNT.exec(name)?.[1];
  const groups = ['system:authenticated'];
  if (namespace !== undefined)
    groups.push('system:serviceaccounts', `system:serviceaccounts:${namespace}`);
  return { name, groups };
}
