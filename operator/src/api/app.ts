import type { RequestListener } from 'node:http';
import express, { type Express } from 'express';
import { type AppOptions, DEFAULT_LIMITS, type RouteContext } from './context.ts';
import { errorHandler, notFound } from './errors.ts';
import { agentViewRoutes } from './operatorApi/agentViewRoute.ts';
import { createCallWriter } from './operatorApi/callWriter.ts';
import { legacyWriteRoutes } from './operatorApi/legacyWrites.ts';
import { operatorRoutes } from './operatorApi/route.ts';
import { Subscribers } from './operatorApi/subscribers.ts';
import { agentRoutes } from './routes/agent.ts';
import { executorRoutes } from './routes/executors.ts';
import { masterRoutes } from './routes/master.ts';
import { probeRoutes } from './routes/probes.ts';
import { schedulerEndpoint } from './routes/scheduler.ts';
import { viewRoutes } from './routes/views.ts';

/** The HTTP surface of the operator, without a listener. One per listener: they differ in whom they trust. */
export function createApp(options: AppOptions): RequestListener {
  const context: RouteContext = { ...options, limits: { ...DEFAULT_LIMITS, ...options.limits } };
  const scheduler = schedulerEndpoint(context);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  app.set('strict routing', true);
  const subscribers = new Subscribers({
    ...context,
    ...context.operatorApi,
    bufferBytes: context.limits.streamBufferBytes,
  });
  const write = createCallWriter(context);
  app.use(legacyWriteRoutes(context, write));
  app.use(masterRoutes(context, subscribers));
  app.use(operatorRoutes(context, subscribers, write));
  app.use(probeRoutes(context));
  app.use(agentRoutes(context));
  app.use(agentViewRoutes(context));
  app.use(executorRoutes(context));
  app.use(viewRoutes(context));
  app.use(notFound);
  app.use(errorHandler(context.log));
  return (request, response) => {
    if (!scheduler(request, response)) app(request, response);
  };
}

/** Probes and metrics alone, for the port that kubelets and scrapers use. */
export function createProbeApp(options: Pick<AppOptions, 'log' | 'probes' | 'metrics'>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(probeRoutes(options));
  app.use(notFound);
  app.use(errorHandler(options.log));
  return app;
}
