"""What a J100 is told: the parameters, the 46xxsettings language, SCEP profiles, and a writer that knows what a phone ignores."""
