import { Box, ChakraProvider, createSystem, defaultConfig, type SystemContext } from "@chakra-ui/react";

import { Home } from "./Home";

declare global {
  // Airflow's theme: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
  var ChakraUISystem: SystemContext | undefined;
}

export default function MachineLearning() {
  return (
    <ChakraProvider value={globalThis.ChakraUISystem ?? createSystem(defaultConfig)}>
      <Box height="100%" overflow="auto" padding={4}>
        <Home />
      </Box>
    </ChakraProvider>
  );
}
