/**
 * Every bound of the product under its name: sizes of messages, files and queues, and how long anything is waited
 * for. A limit that is met is refused with `limit-exceeded` (or the code of its subject), never met in silence.
 */
export const LIMITS = {
  /** A site's identifier: lower-case letters, digits and hyphens. */
  siteIdChars: 63,
  sitesPerFederation: 1024,
  /** One protobuf message on the wire; tensors never travel in messages. */
  messageBytes: 4 << 20,
  /** One large object (weights, update, model file). */
  objectBytes: 4 * 1024 ** 3,
  /** One piece of a large object in transfer. */
  chunkBytes: 4 << 20,
  /** What the coordinator takes from a connection, or gives to it, at once. */
  chunkPartBytes: 1 << 20,
  /** Buffers for that which it keeps while no call uses them. */
  partBuffersKept: 64,
  studyFileBytes: 1 << 20,
  /** A table that describes a dataset. */
  tableBytes: 64 << 20,
  /** A NIfTI volume after decompression. */
  volumeBytes: 2 * 1024 ** 3,
  /** One file of DICOM. */
  dicomFileBytes: 1024 ** 3,
  /** Files that one intake looks at, and how deep its folders go. */
  dicomFiles: 2_000_000,
  dicomFolderDepth: 24,
  slicesPerSeries: 4096,
  casesPerDataset: 100_000,
  /** Cases that one intake works at side by side. */
  intakeWorkers: 64,
  /** One case of intake, from its series to the dataset. */
  intakeCaseMs: 60 * 60_000,
  intakeCasesPerPage: 25,
  /** Jobs that the segmentation service holds, what one may bring, how long one may take, how long results are kept. */
  serveJobs: 32,
  serveFiles: 20_000,
  serveJobBytes: 4 * 1024 ** 3,
  serveJobMs: 2 * 3_600_000,
  /** How long a job's process has to end by itself. */
  serveStopMs: 5_000,
  serveKeptMs: 3_600_000,
  /** Steps whose patches are prepared while one runs. */
  preparedSteps: 2,
  /** Prepared cases that one engine keeps in memory. */
  caseCacheBytes: 1024 ** 3,
  roundsPerStudy: 100_000,
  invitationValidHours: 72,
  /** A site's certificate; the site renews it once half of it is over. */
  certificateValidDays: 14,
  /** How long after its end a site's certificate still serves to ask for a new one, and for nothing else. */
  certificateRenewalGraceDays: 180,
  /** A difference between two clocks that is told to people. */
  clockOffsetToldMs: 120_000,
  /** Masked rounds that may fail one after another before the study fails. */
  failedRoundsInARow: 3,
  /** Changes of a study while it runs, and how many of the latest each answer to a site repeats. */
  liveChangesPerStudy: 1_000,
  liveChangesTold: 8,
  /** How long a site's certificate of the authority before the present one is believed, unless set otherwise. */
  authorityOverlapDays: 30,
  authorityOverlapMaxDays: 365,
  /** Between two looks of a running coordinator at its own certificates. */
  identityRefreshMs: 60_000,
  passphraseMinChars: 12,
  passphraseMaxChars: 1024,
  requestTimeoutMs: 60_000,
  /** To have a connection of a site's to the coordinator, proxy and TLS included. */
  connectTimeoutMs: 30_000,
  /** After how long without a byte a connection is asked for a sign of life, and how long that may take. */
  pingIntervalMs: 15_000,
  pingTimeoutMs: 15_000,
  /** How long sites seal to one key of the coordinator's, and how long it opens calls after that. */
  sealingKeyMs: 3_600_000,
  sealingKeyGraceMs: 10 * 60_000,
  /** By how much a sealed call's time may differ from the coordinator's; its number is remembered until that has passed. */
  sealedCallWindowMs: 60_000,
  /** Sealed calls of one site that are remembered, so that none is taken twice; more within that time are refused. */
  sealedCallsRemembered: 8_192,
  /** Sealed calls of one site whose bodies are read at a time. */
  sealedCallsAtOnce: 16,
  /** A sealed call's head, and the body of a request to enrol. */
  sealedHeadBytes: 8_192,
  enrolRequestBytes: 65_536,
  /** The slowest that a site may have its objects moved. */
  throttleMinBytesPerSecond: 10_000,
  /** One stage of `site doctor`'s look at the line. */
  probeTimeoutMs: 15_000,
  /** What it moves at most, each way. */
  probeBytes: 64 << 20,
  /** One step of a masked round: keys, shares, signatures, reveals. */
  maskingStepMs: 15 * 60_000,
  /** A file of a site's log; a full one is put aside under a number, and the chain goes on in the next. */
  siteLogFileBytes: 4 << 20,
  /** Signs of life that share a line of a site's log, and the longest time that such a line speaks of. */
  signsOfLifePerLine: 1_000,
  signsOfLifePeriodMs: 3_600_000,
  /** Sequence numbers that a site makes durable at once. */
  sequenceBlock: 1000,
  /** Between two signs of life of a site at work. */
  siteHeartbeatMs: 5_000,
  /** The longest pause of an idle site between two questions, whatever the coordinator asks for. */
  sitePauseMs: 60_000,
  /** Between two tries to reach the coordinator, doubling from the first to the last. Tries go on until stopped. */
  siteBackoffMinMs: 500,
  siteBackoffMaxMs: 60_000,
  /** Between two writings of what a site's process is doing, and the lines of it that are kept. */
  siteActivityMs: 500,
  siteActivityLines: 200,
  /** Failures at one piece of work after which a site stops trying, and the coordinator leaves it out. */
  siteAttempts: 10,
  /** How long a site that failed is told to wait, doubling from the first to the last. */
  siteRetryMinMs: 1_000,
  siteRetryMaxMs: 300_000,
  /** Of the time that a site has left for a round with partial work, the part that is kept for sending its update. */
  partialWorkSendingShare: 0.15,
  /** Deadlines that passed while the coordinator was away are put off by at most so much from its start. */
  restartGraceMs: 600_000,
  /** Events after which the coordinator's state is kept anew, so that a start need not read what went before. */
  journalSnapshotEvents: 2_000,
  /** Writes to the journal that one transaction makes last, and events that are taken together. */
  journalWritesTogether: 256,
  /** Records whose hashes are at hand when a site countersigns one; older ones are looked up. */
  journalHeadsInMemory: 4_096,
  /** Words of a site: the reason of a refusal, the hint of a failure. */
  reasonChars: 2_000,
  runRecordChars: 65_536,
  /** What a site tells of its data, as canonical JSON, and cells of one histogram in it. */
  statisticsChars: 131_072,
  cellsPerHistogram: 258,
  /** Rounds of one study with a cross-site matrix, and sites of its roster: figures grow with their square. */
  crossSiteRounds: 10,
  crossSiteSites: 64,
  /** The dashboard: how long a sign-in link works, a session lasts, and a session lasts without a call. */
  consoleLinkMs: 10 * 60_000,
  consoleSessionMs: 12 * 3_600_000,
  consoleIdleMs: 60 * 60_000,
  /** How long an identity provider has for an answer. */
  consoleProviderMs: 10_000,
  /** How long a passkey has to answer, how many questions are open at a time, how many passkeys a home keeps. */
  consolePasskeyMs: 5 * 60_000,
  consoleChallenges: 100,
  consolePasskeys: 20,
  /** Sessions, and open links, of one console. */
  consoleSessions: 100,
  /** Streams that one console keeps open at a time. */
  consoleStreams: 64,
  /** Scans, whole in memory, that one console reads and sends at a time; a viewer asks for one after the other. */
  consoleVolumes: 4,
  /** Cases of one list of the site's console; commands list all. */
  consoleCases: 1_000,
  /** Lines of the site's log on one page of the console. */
  consoleLogPage: 100,
  /** One examination by the console's doctor; one replay, one registration of a dataset; their words that are kept. */
  consoleDoctorMs: 15 * 60_000,
  consoleLongWorkMs: 24 * 3_600_000,
  consoleWorkLines: 40,
  /** Rounds of one replay that the dashboard tells; the command tells all. */
  consoleReplayRounds: 500,
  /** Calls of one session at once, and a second; tries to sign in likewise. */
  consoleCallsBurst: 200,
  consoleCallsPerSecond: 50,
  consoleSignInsBurst: 10,
  consoleSignInsPerSecond: 0.2,
  /** Between two looks for a change, and two signs of life, of a stream. */
  consoleLookMs: 1_000,
  consoleSignOfLifeMs: 5_000,
  /**
   * Files of a study that browsers bring, one by one and together: their bytes, how many one session and all keep, and how
   * long without a piece or a use. A file comes in pieces of chunkBytes, so many read at a time.
   */
  consoleStudyFileBytes: 2 * 1024 ** 3,
  consoleStudyFilesBytes: 4 * 1024 ** 3,
  consoleStudyFilesOfSession: 4,
  consoleStudyFiles: 16,
  consoleStudyFileIdleMs: 60 * 60_000,
  consoleStudyFileChars: 120,
  consoleStudyPieces: 4,
  /** Between two looks for such files whose time is over. */
  consoleStudyFilesLookMs: 60_000,
  /** Checking or submitting a study with files of its own. */
  consoleStudyMs: 10 * 60_000,
  /** Records of the journal in one answer. */
  journalPageRecords: 500,
} as const;
