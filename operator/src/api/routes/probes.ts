import { type Response, Router } from 'express';
import type { ProbeResult, RouteContext } from '../context.ts';
import { methodNotAllowed } from '../errors.ts';

/** Probes and metrics: for kubelets and scrapers, without credentials. */
export function probeRoutes(context: Pick<RouteContext, 'probes' | 'metrics'>): Router {
  const router = Router({ strict: true, caseSensitive: true });
  router.get('/livez', (_request, response) => sendProbe(response, context.probes.live()));
  router.get('/readyz', (_request, response) => sendProbe(response, context.probes.ready()));
  router.get('/metrics', async (_request, response) => {
    const { contentType, body } = await context.metrics();
    response.setHeader('Content-Type', contentType);
    response.end(body);
  });
  router.all(['/livez', '/readyz', '/metrics'], methodNotAllowed('GET', 'HEAD'));
  return router;
}

function sendProbe(response: Response, result: ProbeResult): void {
  response.status(result.ok ? 200 : 503).json(result);
}
