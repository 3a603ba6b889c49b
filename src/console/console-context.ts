/** What a console is given, and what the parts of its server share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Clock } from "../base/index.ts";
import type { DownloadName, Face, OpenRoute, Route } from "./authorisation.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import type { Passkeys } from "./passkeys.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { StudyFiles } from "./study-files.ts";

export interface ConsoleOptions {
  readonly face: Face;
  /** Of the federation, or of the site. */
  readonly name: string;
  readonly version: string;
  /** Of the home: keeps apart the cookies of several consoles on one machine. */
  readonly id: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Folder of the dashboard's own files. */
  readonly files: string;
  readonly routes: (router: ConnectRouter) => void;
  /** @throws ConsiliumError where there is none yet, or none of that region */
  readonly download: (name: DownloadName, wanted: WantedModel) => Promise<Uint8Array | string>;
  /** A scan or a map of a case, as a NIfTI file; undefined where the home has no cases. @throws ConsiliumError */
  readonly volume?: ((caseId: string, part: string) => Promise<Uint8Array>) | undefined;
  /** A contact sheet of a case of intake, a PNG file; undefined where the home has no cases. @throws ConsiliumError */
  readonly sheet?: ((intakeKey: string, caseId: string, state: string) => Promise<Uint8Array>) | undefined;
  /** What studies that browsers submit name; undefined where none are submitted. */
  readonly studyFiles?: StudyFiles | undefined;
  /** Where the home keeps its operators' passkeys; undefined for a console without. */
  readonly passkeysFile?: string | undefined;
  /** By whom people may sign in beside one-time links. */
  readonly identity?: IdentityProvider | undefined;
  /** Told why a signing in by the provider was refused: the browser sees a code alone. */
  readonly onRefused?: ((error: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** Of the models that a study ends with: the best by validation, that of the last round, or the best of one region. */
export type WhichModel = "best" | "final" | { readonly region: string };

export interface WantedModel {
  readonly which: WhichModel;
  /** By its name or hash; the last that ended where it is left out. */
  readonly study?: string | undefined;
}

export interface ConsoleContext extends ConsoleOptions {
  readonly sessions: Sessions;
  readonly cookieName: string;
  /** `http://localhost:PORT` */
  readonly atName: () => string;
  /** Undefined where there are none, or where another program answers to the name. */
  passkeys: Passkeys | undefined;
  readonly signIns: { take(caller: string): void };
  readonly calls: { take(caller: string): void };
  /** Scans that are being read or sent. */
  readonly volumes: Set<ServerResponse>;
}

/** A plain request, beside the services, and where its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What stands behind the path. */
  readonly asked: URLSearchParams;
}

export type OpenHandler = (context: ConsoleContext, exchange: Exchange) => Promise<void>;
export type Handler = (context: ConsoleContext, exchange: Exchange, session: Session) => Promise<void>;
export type OpenHandlers<Names extends OpenRoute = OpenRoute> = Readonly<Record<Names, OpenHandler>>;
export type Handlers<Names extends Route = Route> = Readonly<Record<Names, Handler>>;
