import { Router } from 'express';
import type { Amounts } from '../../controllers/views.ts';
import { formatResources } from '../../schema/quantity.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed } from '../errors.ts';
import { createGuard, guarded } from './guard.ts';

/** What runs and who holds what, for the command line; amounts are Kubernetes quantities. */
export function viewRoutes(context: RouteContext): Router {
  const { views } = context;
  const guard = createGuard(context);
  const router = Router({ strict: true, caseSensitive: true });
  router.get(
    '/api/roles',
    guarded(guard, (_request, response) => {
      const roles = views.roles().map((role) => ({
        ...role,
        ...amounts(role),
        guaranteed: formatResources(role.guaranteed),
        limit: formatResources(role.limit),
        reserved: formatResources(role.reserved),
        consumed: formatResources(role.consumed),
      }));
      response.json({ roles });
    }),
  );
  router.get(
    '/api/jobs',
    guarded(guard, (_request, response) => {
      response.json({ jobs: views.jobs().map((job) => ({ ...job, ...amounts(job) })) });
    }),
  );
  router.get(
    '/api/agents',
    guarded(guard, (_request, response) => {
      const agents = views.agents().map((agent) => ({
        ...agent,
        ...amounts(agent),
        capacity: formatResources(agent.capacity),
        foreign: formatResources(agent.foreign),
        revocableCapacity: formatResources(agent.revocableCapacity),
      }));
      response.json({ agents });
    }),
  );
  router.get(
    '/api/tasks',
    guarded(guard, (_request, response) => {
      response.json({ tasks: views.tasks() });
    }),
  );
  router.all(
    ['/api/roles', '/api/jobs', '/api/agents', '/api/tasks'],
    methodNotAllowed('GET', 'HEAD'),
  );
  return router;
}

type AmountsText = { readonly [name: string]: string };

/** `used` is left out where nobody measured. */
function amounts(of: Amounts): { readonly [name in keyof Amounts]?: AmountsText } {
  return {
    allocated: formatResources(of.allocated),
    offered: formatResources(of.offered),
    ...(of.used === undefined ? {} : { used: formatResources(of.used) }),
    revocable: formatResources(of.revocable),
  };
}
