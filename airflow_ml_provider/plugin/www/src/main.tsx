import { Box, ChakraProvider, createSystem, defaultConfig, type SystemContext } from "@chakra-ui/react";
import { Route, Routes, useParams } from "react-router-dom";

import { Home } from "./Home";
import { PipelineView } from "./pipeline/PipelineView";
import { RunView } from "./run/RunView";

declare global {
  // Airflow's theme: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
  var ChakraUISystem: SystemContext | undefined;
}

interface PlaceProps {
  readonly dagId?: string;
  readonly runId?: string;
}

/** The page in Airflow's navigation, and the tabs of a DAG and of a run. */
export default function MachineLearning({ dagId, runId }: PlaceProps) {
  return (
    <ChakraProvider value={globalThis.ChakraUISystem ?? createSystem(defaultConfig)}>
      <Box height="100%" overflow="auto" padding={4}>
        {dagId && runId ? (
          <RunView dagId={dagId} isTab key={`${dagId} ${runId}`} runId={runId} />
        ) : dagId ? (
          <PipelineView dagId={dagId} isTab key={dagId} />
        ) : (
          <Routes>
            <Route element={<PipelinePage />} path="dags/:dag" />
            <Route element={<RunPage />} path="dags/:dag/runs/:run" />
            <Route element={<Home />} path="*" />
          </Routes>
        )}
      </Box>
    </ChakraProvider>
  );
}

function PipelinePage() {
  const { dag = "" } = useParams();
  return <PipelineView dagId={dag} key={dag} />;
}

function RunPage() {
  const { dag = "", run = "" } = useParams();
  return <RunView dagId={dag} key={`${dag} ${run}`} runId={run} />;
}

// The host looks for a page under its place's name first, and what a bundle leaves elsewhere it sees at its first import alone.
Object.assign(globalThis, { ML: MachineLearning, "ML runs": MachineLearning, "ML run": MachineLearning });
