"""What other systems want to hear of a station, each in their own words and each switched on in the configuration."""
